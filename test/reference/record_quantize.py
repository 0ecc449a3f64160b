"""Logits of tiny presets whose kernels and token tables are quantized, by KerasHub, inputs of layers left as they are.

quantize.json: for each preset and mode, ids and logits. int4 has blocks shorter than a column, so that a column has several.
"""

import common
from common import PRESETS, floats, ints, write

import numpy as np
from keras.quantizers import Int4QuantizationConfig, Int8QuantizationConfig
from keras_hub.models import GemmaCausalLM, GPT2CausalLM

# Blocks are long enough to have numbers of both signs, where KerasHub and we agree; see docs/decisions.md.
# KerasHub lets the blocks of Gemma's query run across heads (a reshape without a transpose), so int4 is GPT-2's here.
CASES = [
    (GPT2CausalLM, "a_float32", "int8", None),
    (GPT2CausalLM, "c_float32", "int4", 20),
    (GPT2CausalLM, "b_float32", "int4", 128),
    (GemmaCausalLM, "gemma_a_float32", "int8", None),
]


def record(cls, name, mode, block):
    model = cls.from_preset(str(PRESETS / "keras" / name), preprocessor=None)
    config = (
        Int8QuantizationConfig(activation_quantizer=None)
        if mode == "int8"
        else Int4QuantizationConfig(block_size=block)
    )
    model.quantize(mode, config=config)
    size = model.backbone.vocabulary_size
    ids = np.random.default_rng(5).integers(0, size, (2, 6))
    logits = model({"token_ids": ids, "padding_mask": np.ones_like(ids, dtype=bool)})
    return {
        "preset": f"keras/{name}",
        "mode": mode,
        "blockSize": block,
        "tokenIds": ints(ids),
        "logits": floats(common.to_numpy(logits)),
    }


write("quantize", {"cases": [record(*case) for case in CASES]})

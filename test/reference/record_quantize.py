"""Logits of tiny presets whose kernels and token tables are quantized, by KerasHub, inputs of layers left as they are.

quantize.json: for each preset and mode, ids and logits. int4 has blocks shorter than a column, so that a column has several.
presets/quantized/*: tiny models as KerasHub saves them quantized, with blocks of one sign, without blocks, with heads before the
rest (Gemma) and with segments (BERT); their logits or hidden states are in quantize.json too.
"""

import common
from common import PRESETS, floats, ints, write

import json
import shutil

import keras
import numpy as np
from keras.quantizers import Int4QuantizationConfig, Int8QuantizationConfig
from keras_hub.models import BertBackbone, GemmaBackbone, GemmaCausalLM, GPT2Backbone, GPT2CausalLM

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
    model.quantize(mode, config=config_of(mode, block))
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


SIZES = dict(vocabulary_size=11, num_layers=1, hidden_dim=6, intermediate_dim=10)
GPT2 = dict(**SIZES, num_heads=2, max_sequence_length=8)
GEMMA = dict(**SIZES, num_query_heads=2, num_key_value_heads=1, head_dim=4)
SAVED = [
    ("gpt2_int8", GPT2Backbone, GPT2, "int8", None),
    ("gpt2_int4", GPT2Backbone, GPT2, "int4", 4),
    ("gpt2_int4_columns", GPT2Backbone, GPT2, "int4", None),
    ("gemma_int8", GemmaBackbone, GEMMA, "int8", None),
    ("gemma_int4", GemmaBackbone, GEMMA, "int4", 2),
    ("bert_int4", BertBackbone, dict(**SIZES, num_heads=2, max_sequence_length=8), "int4", 3),
]


def config_of(mode, block):
    return Int8QuantizationConfig(activation_quantizer=None) if mode == "int8" else Int4QuantizationConfig(block_size=block)


def save(name, cls, sizes, mode, block):
    keras.utils.set_random_seed(len(name))
    backbone = cls(**sizes, dropout=0)
    draw = np.random.default_rng(len(name))
    for variable in backbone.variables:
        if "seed" not in variable.path:
            variable.assign(draw.normal(0.5 if variable.path.endswith(("gamma", "scale")) else 0, 0.4, variable.shape))
    backbone.quantize(mode, config=config_of(mode, block))
    folder = PRESETS / "quantized" / name
    shutil.rmtree(folder, ignore_errors=True)
    backbone.save_to_preset(str(folder))
    metadata = json.loads((folder / "metadata.json").read_text())
    (folder / "metadata.json").write_text(json.dumps({**metadata, "date_saved": "2026-01-01@00:00:00"}, indent=4))
    ids = draw.integers(0, 11, (2, 5))
    inputs = {"token_ids": ids, "padding_mask": np.ones_like(ids, dtype=bool)}
    states = backbone({**inputs, "segment_ids": ids % 2} if cls is BertBackbone else inputs)
    states = states["sequence_output"] if cls is BertBackbone else states
    return {"preset": f"quantized/{name}", "tokenIds": ints(ids), "states": floats(common.to_numpy(states))}


write("quantize", {"cases": [record(*case) for case in CASES], "presets": [save(*case) for case in SAVED]})

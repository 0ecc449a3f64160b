"""Has KerasHub load what purelm saved of quantized models, and compares logits with purelm's.

    PURELM_QUANTIZED_FOLDER=/tmp/written npx vitest run test/tasks/quantizedPresets.test.ts
    python test/reference/check_quantized.py /tmp/written

KerasHub's int8 rounds what goes into a layer as well, and a preset does not say that it was told otherwise: logits are compared
with that switched off, and shown with it on. Each preset is also quantized by KerasHub itself, and its variables are compared with
those that purelm wrote: whole numbers, zeros and scales of the layers that KerasHub quantizes and purelm does.
"""

import json
import sys
from pathlib import Path

import common  # first: selects the backend
from common import PRESETS

import keras_hub
import numpy as np
import torch
from keras.quantizers import Int4QuantizationConfig

FOLDER = Path(sys.argv[1])
FACTS = json.loads((FOLDER / "expected.json").read_text())
IDS, MASK, PLACES = (np.array(FACTS[name]) for name in ("tokenIds", "paddingMask", "maskPositions"))
TASKS = {"causalLM": "CausalLM", "seq2seqLM": "Seq2SeqLM", "maskedLM": "MaskedLM", "textClassifier": "TextClassifier"}


def to_numpy(x):
    return common.to_numpy(x.float() if x.dtype == torch.bfloat16 else x)


def opened(folder, kind):
    return getattr(keras_hub.models, TASKS[kind]).from_preset(str(folder), preprocessor=None, dtype=None)


def outputs(task, kind):
    names = {tensor.name for tensor in task.backbone.inputs}
    every = {
        "token_ids": IDS, "padding_mask": MASK, "segment_ids": np.zeros_like(IDS),
        **{f"{side}_{name}": value for side in ("encoder", "decoder")
           for name, value in (("token_ids", IDS), ("padding_mask", MASK))},
    }
    inputs = {name: value for name, value in every.items() if name in names}
    if kind in ("causalLM", "seq2seqLM"):
        found = task(inputs)
        return to_numpy(found)[MASK.astype(bool)]
    if kind == "maskedLM":
        return to_numpy(task({**inputs, "mask_positions": PLACES}))
    return to_numpy(task(inputs))


def quantized_layers(model):
    return [layer for layer in model._flatten_layers() if getattr(layer, "quantization_mode", None) in ("int8", "int4")
            and layer.weights and hasattr(layer, "inputs_quantizer")]


def variables(layer):
    return {v.path.split("/")[-1]: to_numpy(v.value) for v in layer.variables}


def differences(ours, own):
    """Layers whose variables are not the same, by how many of them have other whole numbers, and by the scales' distance."""
    own = {layer.path: variables(layer) for layer in quantized_layers(own)}
    numbers, scales, compared = 0, 0.0, 0
    for layer in quantized_layers(ours):
        mine, theirs = variables(layer), own[layer.path]
        assert mine.keys() == theirs.keys(), (layer.path, mine.keys(), theirs.keys())
        compared += 1
        for name in mine:
            assert mine[name].shape == theirs[name].shape, (layer.path, name)
            if name.endswith("scale"):
                scales = max(scales, float(np.abs(mine[name] / theirs[name] - 1).max()))
            elif name in ("kernel", "embeddings", "g_idx") or name.endswith("zero"):
                numbers += not np.array_equal(mine[name], theirs[name])
    return {"layers": compared, "otherNumbers": numbers, "scales": scales}


def main():
    worst = 0
    for key, facts in FACTS["expected"].items():
        kind, expected = facts["kind"], np.array(facts["outputs"], "float32").reshape(facts["shape"])
        if kind in ("causalLM", "seq2seqLM"):
            expected = expected[MASK.astype(bool)]
        task = opened(FOLDER / key, kind)
        on = float(np.abs(outputs(task, kind) - expected).max())
        mode, block = key.split("_")[-2:]
        own = opened(PRESETS / facts["source"], kind)
        own.backbone.quantize(mode, **({"config": Int4QuantizationConfig(block_size=int(block))} if block.isdigit() else {}))
        same = differences(task.backbone, own.backbone) if block != "null" else None
        for layer in quantized_layers(task):
            layer.inputs_quantizer = None
        off = float(np.abs(outputs(task, kind) - expected).max())
        worst = max(worst, off)
        print(key, {"distance": off, "inputsRounded": on, "asQuantizedThere": same})
    print("largest distance", worst)


main()

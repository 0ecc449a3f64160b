"""Has KerasHub and transformers load what purelm saved of quantized models, and compares logits with purelm's.

    PURELM_QUANTIZED_FOLDER=/tmp/written npx vitest run test/tasks/quantizedPresets.test.ts
    python test/reference/check_quantized.py /tmp/written [keras | transformers]

KerasHub rounds what goes into a layer as well, and a preset does not say that it was told otherwise: logits are compared with that
switched off, and shown with it on. Each preset is also quantized by KerasHub itself, and its variables are compared with those that
purelm wrote: whole numbers, zeros and scales of the layers that KerasHub quantizes and purelm does. Where 4 bits differ, KerasHub
has clipped blocks whose numbers are of one sign; see docs/decisions.md.

transformers needs compressed-tensors beside it. KerasHub's converters, which know nothing of it, must not read such a folder.
"""

import json
import sys
from pathlib import Path

import common  # first: selects the backend
from common import PRESETS

import keras_hub
import numpy as np
import torch
import transformers
from keras.quantizers import Int4QuantizationConfig
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
)

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

FOLDER = Path(sys.argv[1])
LAYOUTS = sys.argv[2:] or ["keras", "transformers"]
MODELS = {
    "causalLM": AutoModelForCausalLM,
    "seq2seqLM": AutoModelForSeq2SeqLM,
    "maskedLM": AutoModelForMaskedLM,
    "textClassifier": AutoModelForSequenceClassification,
    "backbone": AutoModel,
}
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


def in_keras(key, kind, source, expected):
    task = opened(FOLDER / key, kind)
    on = float(np.abs(outputs(task, kind) - expected).max())
    mode, block = key.removesuffix("_null").split("_")[-2:] if key.endswith("_8") else (key.split("_")[-1], "")
    if key.endswith("_null"):
        same = None
    else:
        own = opened(PRESETS / source, kind)
        config = {"config": Int4QuantizationConfig(block_size=int(block))} if block else {}
        own.backbone.quantize(mode, **config)
        same = differences(task.backbone, own.backbone)
    for layer in quantized_layers(task):
        layer.inputs_quantizer = None
    off = float(np.abs(outputs(task, kind) - expected).max())
    return {"distance": off, "inputsRounded": on, "asQuantizedThere": same}


def in_transformers(key, kind, source, expected):
    folder = FOLDER / key
    model, info = MODELS[kind].from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    missing = [name for name in info["missing_keys"] if "pooler" not in name]
    unexpected = [name for name in info["unexpected_keys"] if "pooler" not in name]
    assert not missing and not unexpected and not info["mismatched_keys"], (key, info)
    ids, mask = torch.tensor(IDS), torch.tensor(MASK.astype("int64"))
    inputs = {"input_ids": ids} if model.config.model_type == "fnet" else {"input_ids": ids, "attention_mask": mask}
    if kind == "seq2seqLM":
        inputs |= {"decoder_input_ids": ids, "decoder_attention_mask": mask}
    with torch.no_grad():
        found = model.eval()(**inputs)
        found = found.last_hidden_state if kind == "backbone" else found.logits
        if kind == "maskedLM":
            found = torch.take_along_dim(found, torch.tensor(PLACES)[..., None], 1)
    found = found.float().numpy()
    found = found[MASK.astype(bool)] if kind in ("causalLM", "seq2seqLM", "backbone") else found
    packed = "quantization_config" in json.loads((folder / "config.json").read_text())
    record = {"distance": float(np.abs(found - expected).max()), "packed": packed}
    if packed and "bert_masked" in key:
        try:
            keras_hub.models.Backbone.from_preset(str(folder))
            record["kerasHub"] = "read it"
        except Exception as error:
            record["kerasHub"] = f"{type(error).__name__}: {str(error).splitlines()[0][:100]}"
    return record


def main():
    worst = dict.fromkeys(LAYOUTS, 0.0)
    for key, facts in FACTS["expected"].items():
        layout, kind = key.split("/")[0], facts["kind"]
        if layout not in LAYOUTS:
            continue
        expected = np.array(facts["outputs"], "float32").reshape(facts["shape"])
        if kind in ("causalLM", "seq2seqLM", "backbone"):
            expected = expected[MASK.astype(bool)]
        record = (in_keras if layout == "keras" else in_transformers)(key, kind, facts["source"], expected)
        worst[layout] = max(worst[layout], record["distance"])
        print(key, record, flush=True)
    print("largest distances", worst)


main()

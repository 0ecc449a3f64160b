"""Tiny encoders and what KerasHub and transformers compute with them, for every family of encoder_families.py.

presets/keras/<family>_masked_lm, <family>_text_classifier: tasks with their heads, and the backbone below them.
presets/transformers/<family>_masked_lm, <family>_text_classifier, <family>_backbone: ...ForMaskedLM,
...ForSequenceClassification, and the bare model. A dtype stands behind a folder that is not float32.
KerasHub's classifiers and transformers' masked LMs and classifiers have a tokenizer of encoder_tokenizers.py.
encoders/<family>.json: hidden states, pooled outputs, logits of masked places and of classes, under several masks. `ragged` has
padding on the right; `holes` has it in the middle, and a row with nothing else (KerasHub's alone: there transformers goes its
own way). `texts`: what the tasks give for texts and for pairs of texts.

`record_encoders.py bert albert` records these alone.
"""

import common
from common import PRESETS, bools, floats, ints, to_numpy, write

import json
import shutil
import sys
import zlib

import keras
import keras_hub
import numpy as np
import torch
import transformers
from encoder_families import CLASSES, FAMILIES, LENGTH
from encoder_tokenizers import MOST, keras_tokenizer, transformers_tokenizer

KERAS_TASKS = {"masked_lm": "MaskedLM", "text_classifier": "TextClassifier"}
SEQUENCE_LENGTH = 32
TEXTS = ["The quick brown fox jumped.", "A dog", "the lazy cat slept, and again the fox said: who?"]
SECONDS = ["over the dog", "The fox and the cat slept again.", "a"]
MASKED = ["The quick {} fox jumped.", "{} dog", "the {} cat {} again"]
MODELS = {"masked_lm": "ForMaskedLM", "text_classifier": "ForSequenceClassification", "backbone": "Model"}


def seed_of(*words):
    return zlib.crc32(" ".join(words).encode())


def fresh(layout, name):
    folder = PRESETS / layout / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def spread(name, is_gain):
    """Weights with spread, biases that are not 0 and gains that are not 1: a wrong layout cannot hide."""
    return (1.0, 0.3) if is_gain else (0.0, 0.2 if name.endswith(("bias", "beta")) else 0.3)


def keras_task(name, family, kind, **dropout):
    """A task of KerasHub with random weights, the same every time."""
    keras.backend.clear_session()  # layer names count from the start again
    models = keras_hub.models
    sizes = {**family.keras_sizes, **family.keras_kinds.get(kind, {}), **dropout}
    preprocessor = None
    if kind == "text_classifier":
        tokenizer = keras_tokenizer(name, family)
        sizes.update(vocabulary_size=tokenizer.vocabulary_size(), max_sequence_length=MOST)
        cls = getattr(models, f"{family.keras}TextClassifierPreprocessor")
        preprocessor = cls(tokenizer, sequence_length=SEQUENCE_LENGTH)
    backbone = getattr(models, f"{family.keras}Backbone")(**sizes)
    head = {} if kind == "masked_lm" else {"num_classes": CLASSES, **family.classifier, **dropout}
    task = getattr(models, family.keras + KERAS_TASKS[kind])(backbone=backbone, preprocessor=preprocessor, **head)
    draw = np.random.default_rng(seed_of(name, kind))
    for variable in task.weights:
        mean, deviation = spread(variable.name, variable.name == "gamma")
        variable.assign(draw.normal(mean, deviation, variable.shape).astype("float32"))
    return task


def save_keras(task, folder):
    task.save_to_preset(str(folder))
    # What would differ from run to run: the date, and the order of a Python set.
    def settled(content):
        return {**content, **{key: value for key, value in {
            "date_saved": "2026-01-01@00:00:00", "unsplittable_tokens": sorted(content.get("unsplittable_tokens") or []),
        }.items() if key in content}}

    for path in folder.glob("*.json"):
        path.write_text(json.dumps(json.loads(path.read_text(), object_hook=settled), indent=4))


def transformers_config(name, family, kind):
    sizes = {**family.config, **family.config_kinds.get(kind, {})}
    if kind != "backbone":
        # As many places more as KerasHub's classifier has, whatever stands before the first.
        sizes.update(vocab_size=len(transformers_tokenizer(name)), max_position_embeddings=sizes["max_position_embeddings"] + MOST - 16)
    return getattr(transformers, f"{family.transformers}Config")(
        **sizes, **({"num_labels": CLASSES} if kind == "text_classifier" else {}),
    )


def transformers_model(name, family, kind):
    """A model of transformers with random weights."""
    config = transformers_config(name, family, kind)
    model = getattr(transformers, family.transformers + MODELS[kind])(config).eval()
    draw = torch.Generator().manual_seed(seed_of(name, kind))
    with torch.no_grad():
        for parameter_name, parameter in sorted(model.named_parameters()):
            mean, deviation = spread(parameter_name, parameter.ndim == 1 and parameter_name.endswith("weight"))
            parameter.copy_(mean + deviation * torch.randn(parameter.shape, generator=draw))
    return model


def inputs_of(family, padding, vocabulary):
    """Three rows under each mask; padding's id stands nowhere else, since RoBERTa counts places by it."""
    draw = np.random.default_rng(7)
    tokens = draw.integers(5, vocabulary, (3, LENGTH))
    segments = draw.integers(0, family.segments or 1, (3, LENGTH))
    ragged = np.array([[place < length for place in range(LENGTH)] for length in (LENGTH, 6, 1)])
    holes = ragged.copy()
    holes[0, [0, 3, 4]] = False
    holes[2] = False
    positions = {"ragged": [[1, 5, 10, 0], [2, 5, 0, 0], [0, 0, 0, 0]], "holes": [[9, 3], [4, 7], [0, 10]]}
    return {
        case: {
            "tokenIds": ints(np.where(mask, tokens, padding)),
            **({} if family.segments is None else {"segmentIds": ints(np.where(mask, segments, 0))}),
            **({"paddingMask": bools(mask)} if family.has_padding_mask else {}),
            "maskPositions": positions[case],
        }
        for case, mask in (("ragged", ragged), ("holes", holes))
    }


def keras_inputs(inputs, kind):
    own = {"tokenIds": "token_ids", "segmentIds": "segment_ids", "paddingMask": "padding_mask"}
    if kind == "masked_lm":
        own["maskPositions"] = "mask_positions"
    return {own[key]: np.array(value, "int32") for key, value in inputs.items() if key in own}


def keras_numbers(task, kind, cases):
    numbers = {}
    with torch.no_grad():
        for case, inputs in cases.items():
            outputs = task.backbone(keras_inputs(inputs, "backbone"))
            outputs = outputs if isinstance(outputs, dict) else {"sequence_output": outputs}
            numbers[case] = {
                "sequence": floats(to_numpy(outputs["sequence_output"])),
                **({"pooled": floats(to_numpy(outputs["pooled_output"]))} if "pooled_output" in outputs else {}),
                "logits": floats(to_numpy(task(keras_inputs(inputs, kind)))),
            }
    return numbers


def transformers_numbers(family, model, kind, cases):
    inputs = cases["ragged"]
    own = {"tokenIds": "input_ids", "segmentIds": "token_type_ids", "paddingMask": "attention_mask"}
    given = {own[key]: torch.tensor(np.array(value), dtype=torch.long) for key, value in inputs.items() if key in own}
    with torch.no_grad():
        outputs = model(**given, output_hidden_states=True)
        numbers = {}
        if kind == "backbone":
            numbers["sequence"] = floats(outputs.last_hidden_state)
            if family.has_pooler:
                numbers["pooled"] = floats(outputs.pooler_output)
        elif kind == "masked_lm":
            places = torch.tensor(inputs["maskPositions"])
            numbers["logits"] = floats(torch.stack([row[at] for row, at in zip(outputs.logits, places)]))
        else:
            numbers["logits"] = floats(outputs.logits)
    return {"ragged": numbers}


def keras_texts(task, kind):
    """What a classifier gives for texts and pairs."""
    if kind != "text_classifier":
        return {}
    return {"texts": {
        "first": TEXTS, "second": SECONDS, "tokenIds": ints(task.preprocessor(TEXTS)["token_ids"]),
        "logits": floats(task.predict(TEXTS, verbose=0)),
        "pairLogits": floats(task.predict((TEXTS, SECONDS), verbose=0)),
    }}


def transformers_texts(name, family, kind, model):
    """What a classifier gives for texts and pairs, and a masked LM for masks."""
    if kind == "backbone":
        return {}
    tokenizer = transformers_tokenizer(name)

    def run(*texts):
        # transformers 5's ALBERT tokenizer gives segments on request alone, though the model was trained with them.
        # FNet sees padding, and was trained with as much as there is room for.
        padding = dict(padding=True) if family.has_padding_mask else dict(padding="max_length", max_length=MOST)
        given = tokenizer(*texts, **padding, return_tensors="pt", return_token_type_ids=family.segments is not None)
        wanted = ["input_ids", "attention_mask"] + (["token_type_ids"] if family.segments else [])
        given = {key: given[key] for key in wanted if key in given and (key != "attention_mask" or family.has_padding_mask)}
        with torch.no_grad():
            return given["input_ids"], model(**given).logits

    if kind == "text_classifier":
        ids, logits = run(TEXTS)
        return {"texts": {"first": TEXTS, "second": SECONDS, "tokenIds": ints(ids), "logits": floats(logits),
                          "pairLogits": floats(run(TEXTS, SECONDS)[1])}}
    texts = [text.replace("{}", tokenizer.mask_token) for text in MASKED]
    filled = []
    for text in texts:
        ids, logits = run([text])
        at = logits[0, (ids[0] == tokenizer.mask_token_id).nonzero()[:, 0]].softmax(-1)
        scores, best = at.topk(3, dim=-1)
        filled.append([[{"tokenId": int(i), "score": round(float(p), 7)} for i, p in zip(*row)] for row in zip(best, scores)])
    return {"texts": {"masked": texts, "filled": filled}}


def record_keras(name, family):
    recordings = []
    cases = inputs_of(family, family.padding, family.keras_sizes["vocabulary_size"])
    for kind in KERAS_TASKS:
        task = keras_task(name, family, kind)
        save_keras(task, fresh("keras", f"{name}_{kind}"))
        recordings.append({"preset": f"keras/{name}_{kind}", "kind": kind, "inputs": cases,
                           "outputs": keras_numbers(task, kind, cases), **keras_texts(task, kind)})
    for dtype in (dtype for dtype, layout in family.dtypes.items() if layout == "keras"):
        kind = "text_classifier"
        folder = fresh("keras", f"{name}_{kind}_{dtype}")
        cls = type(keras_task(name, family, kind))
        keras.backend.clear_session()
        save_keras(cls.from_preset(str(PRESETS / "keras" / f"{name}_{kind}"), dtype=dtype), folder)
        keras.backend.clear_session()
        recordings.append({"preset": f"keras/{folder.name}", "kind": kind, "inputs": cases,
                           "outputs": keras_numbers(cls.from_preset(str(folder), dtype="float32"), kind, cases)})
    return recordings


def record_transformers(name, family):
    recordings = []
    for kind, dtype in [(kind, "float32") for kind in MODELS] + [
            ("masked_lm", dtype) for dtype, layout in family.dtypes.items() if layout == "transformers"]:
        folder = fresh("transformers", f"{name}_{kind}" + ("" if dtype == "float32" else f"_{dtype}"))
        model = transformers_model(name, family, kind).to(getattr(torch, dtype))
        model.save_pretrained(folder)
        if kind != "backbone" and dtype == "float32":
            transformers_tokenizer(name).save_pretrained(folder)
        cases = {"ragged": inputs_of(family, model.config.pad_token_id, family.config["vocab_size"])["ragged"]}
        model = model.to(torch.float32)
        recordings.append({"preset": f"transformers/{folder.name}", "kind": kind, "inputs": cases,
                           "outputs": transformers_numbers(family, model, kind, cases),
                           **(transformers_texts(name, family, kind, model) if dtype == "float32" else {})})
    return recordings


def main():
    for name in sys.argv[1:] or FAMILIES:
        family = FAMILIES[name]
        recordings = record_keras(name, family)
        if family.transformers is not None:
            recordings += record_transformers(name, family)
        write(f"encoders/{name}", {"family": name, "recordings": recordings})


if __name__ == "__main__":
    main()

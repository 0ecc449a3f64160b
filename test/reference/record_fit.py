"""Training of the tiny presets by KerasHub: gradients, losses of steps, histories of fit, evaluate.

fit/gradients_<letter>.json: gradients of every parameter of the compiled loss, dropout 0.
fit/steps.json: losses of five steps of SGD and of Adam on one batch.
fit/histories.json: what fit and evaluate give for strings and for tokens (keras/c_float32 has a tokenizer).
"""

import re

import common
from common import PRESETS, bools, floats, ints, to_numpy, write

import keras
import numpy as np
import torch
from keras_hub.models import GPT2Backbone, GPT2CausalLM, GPT2CausalLMPreprocessor

TEXTS = ["The quick brown fox jumped.", "I forgot my homework.", "A bird sat", "over the lazy dog", "so it goes."]


def own_path(variable):
    """The path of a variable among purelm's parameters."""
    parts = variable.path.split("/")
    made = []
    for part in parts:
        part = {"attention_output": "output"}.get(part, part)
        layer = re.fullmatch(r"transformer_layer_(\d+)", part)
        camel = re.sub(r"_([a-z])", lambda found: found.group(1).upper(), part)
        made.append(f"transformerLayers[{layer.group(1)}]" if layer else camel)
    return ".".join(made)


def model_of(name, sequence_length=None):
    path = str(PRESETS / "keras" / name)
    backbone = GPT2Backbone.from_preset(path, dropout=0.0)
    preprocessor = None
    if sequence_length is not None:
        preprocessor = GPT2CausalLMPreprocessor.from_preset(path, sequence_length=sequence_length)
    return GPT2CausalLM(backbone=backbone, preprocessor=preprocessor)


def batch_of(letter, model):
    draw = np.random.default_rng({"a": 11, "b": 12}[letter])
    width = min(7, model.backbone.max_sequence_length)
    token_ids = draw.integers(0, model.backbone.vocabulary_size, (3, width)).astype("int32")
    mask = np.array([[1] * n + [0] * (width - n) for n in (width, 4, 1)], "int32")
    return {"token_ids": token_ids, "padding_mask": mask}, np.roll(token_ids, -1, axis=1), mask.astype("float32")


def plain(x, y, weight):
    return {"tokenIds": ints(x["token_ids"]), "paddingMask": bools(x["padding_mask"]), "y": ints(y),
            "sampleWeight": weight.tolist()}


def record_gradients(letter, name):
    model = model_of(name)
    x, y, weight = batch_of(letter, model)
    loss = model.compute_loss(x=x, y=torch.tensor(y), y_pred=model(x), sample_weight=torch.tensor(weight))
    loss.backward()
    gradients = {own_path(v): floats(to_numpy(v.value.grad)) for v in model.trainable_variables}
    write(f"fit/gradients_{letter}", {"preset": f"keras/{name}", **plain(x, y, weight), "loss": float(loss),
                                      "gradients": gradients})


def losses_of(name, letter, optimizer):
    model = model_of(name)
    model.compile(optimizer=optimizer)
    x, y, weight = batch_of(letter, model)
    history = model.fit(x, y, sample_weight=weight, batch_size=3, epochs=5, shuffle=False, verbose=0).history
    return {key: [float(value) for value in values] for key, values in history.items()}


def record_steps():
    model = model_of("a_float32")
    x, y, weight = batch_of("a", model)
    write("fit/steps", {"preset": "keras/a_float32", **plain(x, y, weight), "runs": [
        {"optimizer": {"name": "sgd", "learningRate": 0.5}, "history": losses_of("a_float32", "a", keras.optimizers.SGD(0.5))},
        {"optimizer": {"name": "adam", "learningRate": 0.01}, "history": losses_of("a_float32", "a", keras.optimizers.Adam(0.01))},
        {"optimizer": {"name": "adamw", "learningRate": 0.01, "weightDecay": 0.1, "clipnorm": 0.1},
         "history": losses_of("a_float32", "a", keras.optimizers.AdamW(0.01, weight_decay=0.1, clipnorm=0.1))},
    ]})


def record_histories():
    def numbers(history):
        return {key: [float(value) for value in values] for key, values in history.items()}

    def fresh():
        model = model_of("c_float32", sequence_length=12)
        model.compile(optimizer=keras.optimizers.Adam(1e-3),
                      weighted_metrics=["sparse_categorical_accuracy", keras.metrics.SparseTopKCategoricalAccuracy(3, name="top3")],
                      metrics=["sparse_categorical_accuracy"])
        return model

    model = model_of("c_float32", sequence_length=12)
    two = numbers(model.fit(x=TEXTS[:2], batch_size=2, verbose=0).history)
    split = numbers(fresh().fit(x=np.array(TEXTS), batch_size=2, epochs=3, validation_split=0.4, shuffle=False, verbose=0).history)
    judged = {key: float(value) for key, value in fresh().evaluate(TEXTS, batch_size=2, verbose=0, return_dict=True).items()}
    logits = fresh().predict(TEXTS[:3], batch_size=2, verbose=0)
    x, y, weight = model.preprocessor(TEXTS[:2])
    tokens = model_of("c_float32")
    unpacked = numbers(tokens.fit({k: to_numpy(v) for k, v in x.items()}, to_numpy(y), sample_weight=to_numpy(weight),
                                  batch_size=2, verbose=0).history)
    write("fit/histories", {
        "preset": "keras/c_float32", "sequenceLength": 12, "texts": TEXTS,
        "twoTexts": two, "twoTextsAsTokens": unpacked, "validationSplit": split, "evaluate": judged,
        "predict": {"shape": list(logits.shape), "firstPlace": floats(logits[:, 0])},
        "tokens": {"tokenIds": ints(x["token_ids"]), "paddingMask": bools(x["padding_mask"]), "y": ints(y),
                   "sampleWeight": to_numpy(weight).astype("float32").tolist()},
    })


def main():
    record_gradients("a", "a_float32")
    record_gradients("b", "b_float32")
    record_steps()
    record_histories()


if __name__ == "__main__":
    main()

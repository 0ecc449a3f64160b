"""Training of the tiny encoders of record_encoders.py by KerasHub, without dropout, for every family of encoder_families.py.

encoders/<family>_training.json: for both tasks the loss and the gradient of every parameter, by its place in KerasHub's weights
files; histories of five steps of SGD and of Adam; the default optimizer's learning rate.
encoders/<family>_lora.json, <family>.lora.h5: LoRA of rank 3 in the masked LM: what trains, logits with random factors, three
steps of SGD and of Adam from there, and the factors as save_lora_weights writes them.

`record_encoder_training.py bert albert` records these alone.
"""

import common
from common import FIXTURES, floats, ints, to_numpy, write

import re
import sys
import tempfile
from pathlib import Path

import h5py
import keras
import numpy as np
import torch
from encoder_families import CLASSES, FAMILIES
from record_encoders import KERAS_TASKS, inputs_of, keras_inputs, keras_task, seed_of

RANK = 3


def tokens_task(name, family, kind, **dropout):
    """A task that reads tokens."""
    task = keras_task(name, family, kind, **dropout)
    task.preprocessor = None
    return task


def batch_of(name, family, kind):
    vocabulary = family.keras_sizes["vocabulary_size"]
    inputs = inputs_of(family, family.padding, vocabulary)["ragged"]
    draw = np.random.default_rng(seed_of(name, kind, "targets"))
    if kind == "masked_lm":
        # A place that weighs nothing is filling, as the preprocessor makes it.
        weight = (np.array(inputs["maskPositions"]) > 0).astype("float32")
        y = draw.integers(0, vocabulary, weight.shape)
    else:
        inputs = {key: value for key, value in inputs.items() if key != "maskPositions"}
        weight = np.array([1, 0.5, 2], "float32")
        y = draw.integers(0, CLASSES, weight.shape)
    return inputs, y.astype("int32"), weight


def stored(task):
    """The numbers of a task's variables by their names in KerasHub's files."""
    numbers = {"backbone": {}, "head": {}}
    with tempfile.TemporaryDirectory() as folder:
        task.save_to_preset(folder)
        for part, file in (("backbone", "model.weights.h5"), ("head", "task.weights.h5")):
            with h5py.File(Path(folder) / file) as opened:

                def visit(path, node):
                    if isinstance(node, h5py.Dataset) and not path.startswith("optimizer/"):
                        numbers[part][path] = np.array(node)

                opened.visititems(visit)
    return numbers


def encoded(numbers):
    return {part: {path: floats(values) for path, values in own.items()} for part, own in numbers.items()}


def record_gradients(name, family, kind):
    task = tokens_task(name, family, kind, dropout=0.0)
    # Before it is compiled again, KerasHub takes a classifier's probabilities for logits.
    task.compile()
    inputs, y, weight = batch_of(name, family, kind)
    x = {key: torch.tensor(value) for key, value in keras_inputs(inputs, kind).items()}
    loss = task.compute_loss(x=x, y=torch.tensor(y), y_pred=task(x), sample_weight=torch.tensor(weight))
    loss.backward()
    gradients = {}
    for variable in task.trainable_variables:
        gradient = variable.value.grad
        gradients[variable.path] = np.zeros(variable.shape) if gradient is None else to_numpy(gradient)
    # Saved in the variables' places, they get the names that the variables have in the files.
    for variable in task.trainable_variables:
        variable.assign(gradients[variable.path].astype("float32"))
    return float(loss.detach()), encoded(stored(task))


def history_of(task, inputs, kind, y, weight, epochs):
    history = task.fit(keras_inputs(inputs, kind), y, sample_weight=weight, batch_size=len(y), epochs=epochs, shuffle=False,
                       verbose=0).history
    return {key: [float(value) for value in values] for key, values in history.items()}


def record_training(name, family):
    tasks = []
    for kind in KERAS_TASKS:
        inputs, y, weight = batch_of(name, family, kind)
        loss, gradients = record_gradients(name, family, kind)
        runs = []
        for optimizer in ({"name": "sgd", "learningRate": 0.1}, {"name": "adam", "learningRate": 0.01}):
            task = tokens_task(name, family, kind, dropout=0.0)
            # Metrics are the default ones.
            cls = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}[optimizer["name"]]
            task.compile(optimizer=cls(optimizer["learningRate"]))
            runs.append({"optimizer": optimizer, "history": history_of(task, inputs, kind, y, weight, 5)})
        rate = float(tokens_task(name, family, kind).optimizer.learning_rate)
        tasks.append({"kind": kind, "preset": f"keras/{name}_{kind}", "inputs": inputs, "y": ints(y),
                      "sampleWeight": weight.tolist(), "loss": loss, "gradients": gradients, "runs": runs,
                      "learningRate": rate})
    write(f"encoders/{name}_training", {"family": name, "tasks": tasks})


def own_path(variable, layers):
    """The path of a layer's variable among purelm's parameters."""
    first, *rest = variable.path.split("/")
    made = [f"transformerLayers[{layers.index(first)}]"] + [{"self_attention_layer": "self_attention"}.get(part, part) for part in rest]
    return ".".join(re.sub(r"_([a-z])", lambda found: found.group(1).upper(), part) for part in made)


def lora_task(name, family):
    """The masked LM with LoRA, both factors drawn from a seed, so that all of the arithmetic shows."""
    task = tokens_task(name, family, "masked_lm", dropout=0.0)
    task.backbone.enable_lora(RANK)
    draw = np.random.default_rng(31)
    for variable in task.backbone.trainable_variables:
        if "lora_kernel" in variable.path:
            variable.assign(draw.normal(0, 0.3, variable.shape).astype("float32"))
    return task


def record_lora(name, family):
    kind = "masked_lm"
    inputs, y, weight = batch_of(name, family, kind)
    backbone = tokens_task(name, family, kind, dropout=0.0).backbone
    before = backbone.count_params()
    backbone.enable_lora(RANK)
    flat = [layer for layer in backbone._flatten_layers(include_self=False) if layer.weights]
    # The layers of the stack, by the names that their parameters' paths begin with.
    layers = list(dict.fromkeys(v.path.split("/")[0] for v in backbone.trainable_variables))

    def trained(task):
        return {own_path(v, layers): floats(to_numpy(v.value)) for v in task.backbone.trainable_variables}

    runs = []
    for optimizer, made in (({"name": "sgd", "learningRate": 0.1}, keras.optimizers.SGD(0.1)),
                            ({"name": "adam", "learningRate": 0.01}, keras.optimizers.Adam(0.01))):
        task = lora_task(name, family)
        task.compile(optimizer=made)
        runs.append({"optimizer": optimizer, "loss": history_of(task, inputs, kind, y, weight, 3)["loss"],
                     "trained": trained(task)})
    task = lora_task(name, family)
    with torch.no_grad():
        logits = to_numpy(task(keras_inputs(inputs, kind)))
    write(f"encoders/{name}_lora", {
        "preset": f"keras/{name}_{kind}", "rank": RANK, "layers": [layer.name for layer in flat],
        "loraLayers": [int(index) for index in backbone._lora_enabled_layers],
        "trainable": {own_path(v, layers): list(v.shape) for v in backbone.trainable_variables},
        "addedParams": int(backbone.count_params() - before),
        "inputs": inputs, "y": ints(y), "sampleWeight": weight.tolist(), "logits": floats(logits), "runs": runs,
    })
    # FNet has no queries and values to adapt: all is frozen then, and nothing is saved.
    if layers:
        task.backbone.save_lora_weights(str(FIXTURES / "encoders" / f"{name}.lora.h5"))


def main():
    for name in sys.argv[1:] or FAMILIES:
        record_training(name, FAMILIES[name])
        record_lora(name, FAMILIES[name])


if __name__ == "__main__":
    main()

"""LoRA on a tiny preset by KerasHub: what trains, logits, steps of training, and its own file.

lora/a.json: for rank 3, KerasHub's trainable variables and the place of each layer among all, logits with factors that
are all random, and three steps of SGD and of Adam from there: losses, and what has been trained.
lora/a.lora.h5: those random factors, as save_lora_weights writes them.
"""

import common
from common import FIXTURES, floats, to_numpy, write

import keras
import numpy as np
from record_fit import batch_of, model_of, own_path, plain

PRESET = "a_float32"
RANK = 3


def lora_model():
    """The preset with LoRA, both factors drawn from a seed, so that all of the arithmetic shows."""
    model = model_of(PRESET)
    model.backbone.enable_lora(RANK)
    draw = np.random.default_rng(31)
    for variable in model.trainable_variables:
        if "lora_kernel" in variable.path:
            variable.assign(draw.normal(0, 0.3, variable.shape).astype("float32"))
    return model


def steps_of(optimizer):
    model = lora_model()
    model.compile(optimizer=optimizer)
    x, y, weight = batch_of("a", model)
    history = model.fit(x, y, sample_weight=weight, batch_size=3, epochs=3, shuffle=False, verbose=0).history
    frozen = {v.path: to_numpy(v.value) for v in model_of(PRESET).weights}
    for variable in model.non_trainable_variables:
        if variable.path in frozen:
            assert (to_numpy(variable.value) == frozen[variable.path]).all(), variable.path
    return {
        "loss": [float(value) for value in history["loss"]],
        "trained": {own_path(v): floats(to_numpy(v.value)) for v in model.trainable_variables},
    }


def main():
    fresh = model_of(PRESET)
    before = fresh.backbone.count_params()
    fresh.backbone.enable_lora(RANK)
    layers = [layer for layer in fresh.backbone._flatten_layers(include_self=False) if layer.weights]
    model = lora_model()
    x, y, weight = batch_of("a", model)
    write("lora/a", {
        "preset": f"keras/{PRESET}",
        "rank": RANK,
        "layers": [layer.name for layer in layers],
        "loraLayers": [int(index) for index in fresh.backbone._lora_enabled_layers],
        "trainable": {own_path(v): list(v.shape) for v in fresh.trainable_variables},
        "addedParams": int(fresh.backbone.count_params() - before),
        "startsWithin": {own_path(v): float(np.abs(to_numpy(v.value)).max()) for v in fresh.trainable_variables
                         if "lora_kernel" in v.path},
        **plain(x, y, weight),
        "logits": floats(to_numpy(model(x))),
        "runs": [
            {"optimizer": {"name": "sgd", "learningRate": 0.5}, **steps_of(keras.optimizers.SGD(0.5))},
            {"optimizer": {"name": "adam", "learningRate": 0.01}, **steps_of(keras.optimizers.Adam(0.01))},
        ],
    })
    model.backbone.save_lora_weights(str(FIXTURES / "lora" / "a.lora.h5"))


if __name__ == "__main__":
    main()

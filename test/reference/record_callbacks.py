"""What Keras's callbacks do when the numbers they watch come one after the other.

training/callbacks.json: for each case the watched values, and after each epoch the learning rate, the epochs whose
parameters were saved, and in the end how many epochs ran and of which epoch the parameters are.
"""

import tempfile
from pathlib import Path

from common import write

import keras
import numpy as np

DOWN = [5.0, 4.0, 4.2, 3.9, 3.9, 4.5, 3.7, 3.8, 3.8, 3.8, 3.8, 3.75]
UP = [0.1, 0.3, 0.3, 0.2, 0.4, 0.35, 0.38, 0.39, 0.41, 0.4, 0.4, 0.4]
FLAT = [1.0] * 12

CASES = [
    ("EarlyStopping", {}, "val_loss", DOWN),
    ("EarlyStopping", {"patience": 2}, "val_loss", DOWN),
    ("EarlyStopping", {"patience": 3, "restore_best_weights": True}, "val_loss", DOWN),
    ("EarlyStopping", {"patience": 2, "min_delta": 0.3, "restore_best_weights": True}, "val_loss", DOWN),
    ("EarlyStopping", {"patience": 2, "start_from_epoch": 4}, "val_loss", DOWN),
    ("EarlyStopping", {"patience": 3, "baseline": 3.95, "restore_best_weights": True}, "val_loss", DOWN),
    ("EarlyStopping", {"patience": 2, "baseline": 1.0, "restore_best_weights": True}, "val_loss", DOWN),
    ("EarlyStopping", {"patience": 2, "monitor": "val_accuracy", "mode": "max"}, "val_accuracy", UP),
    ("EarlyStopping", {"monitor": "loss", "mode": "max", "patience": 1, "restore_best_weights": True}, "loss", DOWN),
    ("EarlyStopping", {"patience": 12, "restore_best_weights": True}, "val_loss", DOWN),
    ("EarlyStopping", {"patience": 0}, "val_loss", FLAT),
    ("ReduceLROnPlateau", {"patience": 1}, "val_loss", DOWN),
    ("ReduceLROnPlateau", {"patience": 2, "factor": 0.5}, "val_loss", DOWN),
    ("ReduceLROnPlateau", {"patience": 1, "factor": 0.5, "cooldown": 2}, "val_loss", FLAT),
    ("ReduceLROnPlateau", {"patience": 2, "factor": 0.5, "cooldown": 1, "min_delta": 0.3}, "val_loss", DOWN),
    ("ReduceLROnPlateau", {"patience": 1, "factor": 0.1, "min_lr": 0.003}, "val_loss", FLAT),
    ("ReduceLROnPlateau", {"patience": 1, "monitor": "val_accuracy", "mode": "max"}, "val_accuracy", UP),
    ("ModelCheckpoint", {}, "val_loss", DOWN),
    ("ModelCheckpoint", {"save_best_only": True}, "val_loss", DOWN),
    ("ModelCheckpoint", {"save_best_only": True, "monitor": "val_accuracy", "mode": "max"}, "val_accuracy", UP),
]


class Model:
    """As much of a model as callbacks see: its only weight is the number of the last epoch."""

    def __init__(self):
        self.optimizer = keras.optimizers.SGD(0.1)
        self.stop_training = False
        self.epoch = -1
        self.saved = []
        self.metrics = []

    def get_weights(self):
        return [np.array(self.epoch)]

    def set_weights(self, weights):
        self.epoch = int(weights[0])

    def save(self, path, **_):
        self.saved.append(self.epoch)

    save_weights = save


def run(name, options, monitor, values):
    if name == "ModelCheckpoint":
        callback = keras.callbacks.ModelCheckpoint(str(Path(tempfile.mkdtemp()) / "x.keras"), **options)
    else:
        callback = getattr(keras.callbacks, name)(**options)
    model = Model()
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(values):
        callback.on_epoch_begin(epoch)
        model.epoch = epoch
        callback.on_epoch_end(epoch, {monitor: value})
        rates.append(float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)))
        if model.stop_training:
            break
    callback.on_train_end()
    return {"learningRates": rates, "saved": model.saved, "epochs": len(rates), "paramsOfEpoch": model.epoch}


write(
    "training/callbacks",
    {
        "cases": [
            {"callback": name, "options": options, "monitor": monitor, "values": values,
             **run(name, options, monitor, values)}
            for name, options, monitor, values in CASES
        ]
    },
)

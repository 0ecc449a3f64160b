"""Reads, with h5py and KerasHub, HDF5 files that purelm wrote: what the tests cannot prove without Python.

    PURELM_H5_FOLDER=written npx vitest run test/weights/hdf5Writer.test.ts test/tasks/loraParity.test.ts test/tasks/bartTraining.test.ts test/tasks/falconPresets.test.ts
    python test/reference/check_hdf5.py written

Of each preset it compares weights and logits with the recorded preset of that name; of each LoRA file, what KerasHub has
after load_lora_weights with what it has after loading the file that KerasHub wrote with the same factors.
"""

import shutil
import sys
from pathlib import Path

import common  # first: selects the backend

import h5py
import keras_hub
import numpy as np

FOLDER = Path(sys.argv[1])
IDS = {"token_ids": np.array([[1, 2, 3, 4]]), "padding_mask": np.ones((1, 4), bool)}


def presets():
    for folder in sorted(FOLDER.glob("*/")):
        if not (folder / "model.weights.h5").exists():
            continue
        original = keras_hub.models.Backbone.from_preset(str(common.PRESETS / "keras" / folder.name))
        written = keras_hub.models.Backbone.from_preset(str(folder))
        assert len(original.weights) == len(written.weights) > 0
        for a, b in zip(original.weights, written.weights):
            assert a.path == b.path and a.dtype == b.dtype
            assert (common.to_numpy(a.value.float()) == common.to_numpy(b.value.float())).all(), a.path
        out = [common.to_numpy(backbone(IDS).float()) for backbone in (original, written)]
        assert (out[0] == out[1]).all()
        copy = shutil.copy(folder / "model.weights.h5", folder / "changed.h5")
        with h5py.File(copy, "r+") as file:  # h5py can go on with it, too
            file["more/x"] = np.arange(3.0)
            assert "layers" in file and file["more/x"][2] == 2
        print(f"{folder.name}: {len(written.weights)} weights equal, hidden states equal")


def states(backbone):
    """Hidden states, of the decoder where there are two stacks."""
    if "encoder_token_ids" not in backbone.input:
        return common.to_numpy(backbone(IDS))
    both = {f"{stack}_{name}": value for name, value in IDS.items() for stack in ("encoder", "decoder")}
    return common.to_numpy(backbone(both)["decoder_sequence_output"])


def lora(recorded, preset, path):
    if not path.exists():
        return
    outputs = []
    for own in (common.FIXTURES / recorded, path):
        backbone = keras_hub.models.Backbone.from_preset(str(common.PRESETS / "keras" / preset))
        plain = states(backbone)
        backbone.load_lora_weights(str(own))
        outputs.append([states(backbone), *(common.to_numpy(v.value) for v in backbone.trainable_variables)])
        assert abs(outputs[-1][0] - plain).max() > 0.1
    assert all((a == b).all() for a, b in zip(*outputs, strict=True))
    print(f"{path.name}: {len(outputs[0]) - 1} trainable variables equal, hidden states equal")


presets()
lora("lora/a.lora.h5", "a_float32", FOLDER / "lora" / "a.lora.h5")
lora("bart/lora.lora.h5", "bart_a_float32", FOLDER / "lora" / "bart.lora.h5")

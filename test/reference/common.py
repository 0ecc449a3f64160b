"""What every recording script shares: folders, seeds, versions, and how numbers are written down.

Import this module before any other: it selects Keras's torch backend.
"""

import base64
import json
import os
import sys
from importlib import metadata
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch

torch.set_num_threads(1)

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "test" / "fixtures"
PRESETS = FIXTURES / "presets"
SHIPPED = ROOT / "presets" / "gpt2_tiny_en"

PACKAGES = ("keras", "keras-hub", "transformers", "tokenizers", "torch", "numpy", "safetensors", "h5py")


def floats(array):
    """Float32 numbers as base64 of their little-endian bytes."""
    array = np.ascontiguousarray(np.asarray(array), dtype="<f4")
    return {
        "shape": list(array.shape),
        "dtype": "float32",
        "base64": base64.b64encode(array.tobytes()).decode("ascii"),
    }


def to_numpy(x):
    return x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)


def ints(array):
    """Nested lists of plain integers."""
    return to_numpy(array).astype("int64").tolist()


def bools(array):
    return to_numpy(array).astype(bool).tolist()


def write(name, content):
    """Write test/fixtures/<name>.json with the script and the versions that made it."""
    record = {
        "madeBy": "test/reference/" + Path(sys.argv[0]).name,
        "versions": {package: metadata.version(package) for package in PACKAGES},
        **content,
    }
    path = FIXTURES / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    # ASCII only: control characters and odd spaces in the inputs must survive editors and tools.
    path.write_text(_layout(record) + "\n", encoding="ascii")
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


def _layout(value, indent=0, room=110):
    """JSON with short values on one line, so that a diff of a fixture can be read."""
    line = json.dumps(value, ensure_ascii=True)
    if len(line) + indent <= room or not isinstance(value, (dict, list)) or not value:
        return line
    if isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value):
        if all(isinstance(item, (int, float)) for item in value):
            return line
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        rows = [f"{pad}{json.dumps(k, ensure_ascii=True)}: {_layout(v, indent + 2)}" for k, v in value.items()]
        return "{\n" + ",\n".join(rows) + "\n" + " " * indent + "}"
    rows = [pad + _layout(item, indent + 2) for item in value]
    return "[\n" + ",\n".join(rows) + "\n" + " " * indent + "]"

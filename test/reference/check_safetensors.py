"""Asks the safetensors library which odd and hostile files it opens, and whether purelm opens one that it refuses.

    PURELM_SAFETENSORS_FOLDER=written PURELM_FUZZ_RUNS=20000 npx vitest run test/weights/safetensorsPython.test.ts
    python test/reference/check_safetensors.py written

The first writes the cases of test/weights/safetensorsCases.ts, and files changed at random with purelm's word on each. The
second writes what the library says of the cases to test/fixtures/safetensors.json (the suite compares), and prints the
changed files on which the two differ.
"""

import hashlib
import json
import sys
from pathlib import Path

import common  # first: selects the backend

from safetensors import SafetensorError, safe_open

FOLDER = Path(sys.argv[1])


def refusal(path):
    """What the library says against a file, by its path and read in full; None if it opens it."""
    try:
        with safe_open(path, "np") as file:
            for name in file.keys():
                file.get_slice(name).get_shape()
        return None
    except SafetensorError as error:
        return str(error)[:160]


cases = {}
for case in json.loads((FOLDER / "cases.json").read_text()):
    path = FOLDER / case["file"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    with open(path, "r+b") as file:
        file.truncate(case["size"])
    cases[case["name"]] = {"sha256": digest, "refused": refusal(path)}
common.write("safetensors", {"cases": cases})

counts = {}
for path in sorted((FOLDER / "changed").iterdir()):
    python = "opened" if refusal(path) is None else "refused"
    ours = path.suffix[1:]
    counts[ours, python] = counts.get((ours, python), 0) + 1
    if ours == "opened" and python == "refused":
        print(f"{path}: purelm opens it, Python says {refusal(path)}")
for (ours, python), count in sorted(counts.items()):
    print(f"{ours} by purelm, {python} by Python: {count}")

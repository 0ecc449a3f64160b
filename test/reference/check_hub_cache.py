"""Has Python's libraries read the caches that purelm writes, and purelm those that they write; records what they look like.

    python test/reference/check_hub_cache.py

Both fetch the same models from the hubs of the tests (test/support/hubs), which run meanwhile on port 7777. Then the hubs are
stopped, and each reads, without a network, what the other has written. What Python's caches consist of goes to
test/fixtures/hub/python.json, for the tests to replay.
"""

import datetime
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "test" / "fixtures" / "hub" / "python.json"
SIZE = 20_000
ENDPOINT = "http://127.0.0.1:7777"

work = Path(tempfile.mkdtemp(prefix="purelm-hub-"))
theirs, ours = work / "theirs", work / "ours"
programs = Path(tempfile.mkdtemp(prefix="purelm-hubs-", dir=ROOT / "node_modules"))
os.environ.update(
    HF_ENDPOINT=ENDPOINT,
    HF_HOME=str(theirs / "huggingface"),
    KAGGLEHUB_CACHE=str(theirs / "kagglehub"),
    KAGGLE_API_ENVIRONMENT="TEST",  # http://localhost:7777
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    HF_HUB_DISABLE_TELEMETRY="1",
)
for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "KAGGLE_API_TOKEN"):
    os.environ.pop(name, None)

import huggingface_hub
import kagglehub
import kagglehub.config

KERAS = [
    "assets/tokenizer/merges.txt",
    "assets/tokenizer/vocabulary.json",
    "config.json",
    "metadata.json",
    "model.weights.h5",
    "preprocessor.json",
    "task.json",
    "tokenizer.json",
]
TRANSFORMERS = [
    "config.json",
    "generation_config.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
]
# Each: how purelm is asked, and what Python is asked for one after the other.
REPOS = [
    ("hf://keras/gpt2_base_en", "keras/gpt2_base_en", "main", KERAS),
    ("hf://someone/gpt2", "someone/gpt2", "main", TRANSFORMERS),
    ("hf://someone/gpt2@v1", "someone/gpt2", "v1", TRANSFORMERS),
    ("hf://someone/gpt2@refs/pr/1", "someone/gpt2", "refs/pr/1", TRANSFORMERS),
]
HANDLE = "keras/gpt2/keras/gpt2_base_en"


def build():
    config = {
        "extends": str(ROOT / "tsconfig.json"),
        "compilerOptions": {
            "outDir": str(programs / "out"), "rootDir": str(ROOT), "noCheck": True, "sourceMap": False, "declaration": False,
        },
        "include": [],
        "files": [str(ROOT / "test/support/hubs" / name) for name in ("pull.ts", "serve.ts")],
    }
    (programs / "tsconfig.json").write_text(json.dumps(config))
    (programs / "package.json").write_text('{"type": "module"}')
    subprocess.run(["node", str(ROOT / "node_modules/typescript/bin/tsc"), "-p", str(programs)], check=True)


def program(name):
    return str(programs / "out/test/support/hubs" / f"{name}.js")


def pull(home, uris, **env):
    environment = {
        **os.environ,
        "HF_HOME": str(home / "huggingface"),
        "KAGGLEHUB_CACHE": str(home / "kagglehub"),
        "KAGGLE_API_ENDPOINT": ENDPOINT,
        **env,
    }
    run = subprocess.run(["node", program("pull"), *uris], env=environment, check=True, capture_output=True, text=True)
    results = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(results) == len(uris), run.stdout
    for uri, result in zip(uris, results):
        assert "problem" not in result, (uri, result)
    return results


def manifest(folder):
    """What a cache consists of: links with where they lead, files with git's hash of their bytes; locks and marks are left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if ".locks/" in name or "/.purelm/" in name or name.endswith("CACHEDIR.TAG") or "/trees/" in name:
            continue
        if path.is_symlink():
            found[name] = f"link {os.readlink(path)}"
        elif path.is_file():
            data = path.read_bytes()
            found[name] = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    return found


def python_fetches():
    repo = "keras/gpt2_base_en"
    huggingface_hub.snapshot_download(repo, allow_patterns=KERAS)
    for _, name, revision, files in REPOS[1:]:
        for file in files:
            huggingface_hub.hf_hub_download(name, file, revision=revision)
    for file in KERAS:  # as KerasHub does it: one after the other
        kagglehub.model_download(f"{HANDLE}/3", file)
    kagglehub.model_download(f"{HANDLE}/2")  # all of it


def python_reads(home):
    """Reads, by Python's libraries and without a network, what is in the caches of a home."""
    hub = home / "huggingface" / "hub"
    read = 0
    for uri, name, revision, files in REPOS:
        folder = huggingface_hub.snapshot_download(
            name, revision=revision, cache_dir=hub, local_files_only=True, allow_patterns=files
        )
        for file in files:
            one = huggingface_hub.hf_hub_download(name, file, revision=revision, cache_dir=hub, local_files_only=True)
            assert Path(one) == Path(folder) / file and Path(one).exists()
            assert huggingface_hub.try_to_load_from_cache(name, file, cache_dir=hub, revision=revision) == one
            # With the network gone, a plain call falls back to the cache.
            assert huggingface_hub.hf_hub_download(name, file, revision=revision, cache_dir=hub) == one
            read += 1
    scan = huggingface_hub.scan_cache_dir(hub)
    assert not scan.warnings, scan.warnings
    revisions = {(repo.repo_id, ref) for repo in scan.repos for revision in repo.revisions for ref in revision.refs}
    assert {(name, revision) for _, name, revision, _ in REPOS} <= revisions, revisions
    os.environ["KAGGLEHUB_CACHE"] = str(home / "kagglehub")
    for file in KERAS:
        assert Path(kagglehub.model_download(f"{HANDLE}/3", file)).exists()
        read += 1
    return read


def main():
    build()
    server = subprocess.Popen(["node", program("serve"), str(SIZE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    server.stdout.readline()
    uris = [uri for uri, *_ in REPOS] + [f"kaggle://{HANDLE}/3"]
    try:
        python_fetches()
        pull(ours, uris)
        # Each goes on with the other's caches while the hubs are there: nothing changes.
        before = manifest(theirs)
        pull(theirs, uris)
        assert manifest(theirs) == before
        # A repository of which we know all files, and a copy without all of them: Python says that it is not the whole.
        tree = huggingface_hub.snapshot_download("someone/gpt2", cache_dir=ours / "huggingface" / "hub")
        assert (Path(tree) / "README.md").exists()
    finally:
        server.stdin.close()
        server.wait()
    shutil.rmtree(ours)
    server = subprocess.Popen(["node", program("serve"), str(SIZE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    server.stdout.readline()
    pull(ours, uris)
    server.stdin.close()
    server.wait()

    python, written = manifest(theirs), manifest(ours)
    trees = Path("huggingface/hub/models--keras--gpt2_base_en/trees")
    listings = sorted((theirs / trees).iterdir())
    assert len(listings) == 1
    for listing in listings:
        assert json.loads(listing.read_text()) == json.loads((ours / trees / listing.name).read_text())
    read = python_reads(ours)
    assert read == python_reads(theirs)
    assert manifest(ours) == written
    offline = pull(theirs, [*uris, f"kaggle://{HANDLE}/2"], HF_HUB_OFFLINE="1")
    only_theirs = sorted(set(python.items()) - set(written.items()))
    only_ours = sorted(set(written.items()) - set(python.items()))
    record = {
        "script": "check_hub_cache.py",
        "date": datetime.date.today().isoformat(),
        "versions": {name: metadata.version(name) for name in ("huggingface_hub", "kagglehub", "kagglesdk")},
        "size": SIZE,
        "read_by_python": read,
        "read_by_purelm": sum(len(result["files"]) for result in offline),
        "python": python,
        # Version 2, a bundle with everything, is in Python's alone.
        "only_in_python": [name for name, _ in only_theirs],
        "only_in_purelm": [name for name, _ in only_ours],
    }
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    print(f"Python read {read} files of ours, we read {record['read_by_purelm']} of Python's")
    print("only in Python's:", *record["only_in_python"], sep="\n  ")
    print("only in ours:", *record["only_in_purelm"], sep="\n  ")


try:
    main()
finally:
    shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(programs, ignore_errors=True)

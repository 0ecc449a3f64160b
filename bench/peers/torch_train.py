"""Training steps of a plain GPT-2 in torch on the processor: one JSON line a workload, as bench/train.mjs prints them.

Choices from the environment: BENCH_SMALL and BENCH_TINY (folders with model.safetensors, by transformers' names, and
config.json), BENCH_TRAIN ("small,tiny"), BENCH_STEPS (timed steps). Needs torch alone.
"""

import json
import math
import os
import resource
import statistics
import time
from pathlib import Path

import torch
import torch.nn.functional as F

torch.set_num_threads(len(os.sched_getaffinity(0)))
ONLY = os.environ.get("BENCH_TRAIN", "small,tiny").split(",")
TIMED = int(os.environ.get("BENCH_STEPS", "3"))
EPSILON = 1e-7
SHAPES = {"small": (2, 128), "tiny": (16, 128)}


def read(folder):
    """The tensors of a safetensors file of float32 numbers, trainable, without transformers' prefix."""
    blob = bytearray((folder / "model.safetensors").read_bytes())
    start = 8 + int.from_bytes(blob[:8], "little")
    head = json.loads(blob[8:start])
    head.pop("__metadata__", None)
    params = {}
    for name, entry in head.items():
        begin, end = entry["data_offsets"]
        flat = torch.frombuffer(blob, dtype=torch.float32, count=(end - begin) // 4, offset=start + begin)
        params[name.removeprefix("transformer.")] = flat.reshape(entry["shape"]).clone().requires_grad_()
    return params


def logits(p, config, ids):
    """GPT-2 without dropout; kernels are [from, to], and the token table is the output's too."""
    batch, length = ids.shape
    width, heads = config["n_embd"], config["n_head"]
    epsilon = config["layer_norm_epsilon"]

    def norm(name, x):
        return F.layer_norm(x, (width,), p[f"{name}.weight"], p[f"{name}.bias"], epsilon)

    def dense(name, x):
        return torch.addmm(p[f"{name}.bias"], x.view(-1, x.shape[-1]), p[f"{name}.weight"]).view(batch, length, -1)

    def split(x):
        return x.view(batch, length, heads, width // heads).transpose(1, 2)

    x = F.embedding(ids, p["wte.weight"]) + p["wpe.weight"][:length]
    for i in range(config["n_layer"]):
        q, k, v = dense(f"h.{i}.attn.c_attn", norm(f"h.{i}.ln_1", x)).split(width, dim=2)
        z = F.scaled_dot_product_attention(split(q), split(k), split(v), is_causal=True)
        x = x + dense(f"h.{i}.attn.c_proj", z.transpose(1, 2).reshape(batch, length, width))
        inner = F.gelu(dense(f"h.{i}.mlp.c_fc", norm(f"h.{i}.ln_2", x)), approximate="tanh")
        x = x + dense(f"h.{i}.mlp.c_proj", inner)
    return F.linear(norm("ln_f", x), p["wte.weight"])


def run(shape):
    folder = Path(os.environ[f"BENCH_{shape.upper()}"])
    config = json.loads((folder / "config.json").read_text())
    params = read(folder)
    batch, length = SHAPES[shape]
    vocabulary = config["vocab_size"]
    rows = torch.tensor([[((b * 131 + i) * 7919 + 13) % vocabulary for i in range(length + 1)] for b in range(batch)])
    ids, targets = rows[:, :-1].contiguous(), rows[:, 1:].reshape(-1)
    optimizer = torch.optim.Adam(params.values(), lr=2e-5, betas=(0.9, 0.999), eps=EPSILON, fused=True)
    runs, cpu, losses = [], [], []
    for step in range(1, TIMED + 2):
        # Keras adds epsilon before the second moment's bias is corrected, torch after: where gradients are near epsilon
        # the first steps would differ.
        optimizer.param_groups[0]["eps"] = EPSILON / math.sqrt(1 - 0.999**step)
        began, began_cpu = time.perf_counter(), time.process_time()
        loss = F.cross_entropy(logits(params, config, ids).view(-1, vocabulary), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        runs.append(round(1000 * (time.perf_counter() - began), 1))
        cpu.append(round(1000 * (time.process_time() - began_cpu)))
    assert all(map(math.isfinite, losses))
    ms = statistics.median_high(runs[1:])
    figures = {
        "ms": ms,
        "tok_s": round(1000 * batch * length / ms, 1),
        "cpu_ms": statistics.median_high(cpu[1:]),
        "runs": runs[1:],
        "first_ms": runs[0],
        "losses": [round(value, 5) for value in losses],
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "load1": os.getloadavg()[0],
    }
    print(json.dumps({"peer": "torch-cpu", "workload": f"train_{shape}_{batch}x{length}", **figures}), flush=True)


for name in ONLY:
    run(name)

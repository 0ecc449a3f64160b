"""Embeddings by transformers' BertModel in torch on the processor: one JSON line, as bench/encoder.mjs prints it.

Choices from the environment: BENCH_BERT (a folder with model.safetensors and config.json), BENCH_REPS (timed passes),
BENCH_EMBEDDINGS (a folder for what came out).
"""

import json
import os
import resource
import statistics
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import BertModel

BATCH, LENGTH = 8, 128


def case(vocabulary):
    """What bench/encoderCase.mjs says: ids, and a mask whose last 28 places are not real."""
    ids = [[((b * 131 + i) * 7919 + 13) % vocabulary for i in range(LENGTH)] for b in range(BATCH)]
    mask = torch.ones(BATCH, LENGTH, dtype=torch.int64)
    mask[-1, -28:] = 0
    return torch.tensor(ids), mask


class Embedder(torch.nn.Module):
    """Unit vectors along the mean of the real places' hidden states."""

    def __init__(self, folder, attention):
        super().__init__()
        self.bert = BertModel.from_pretrained(folder, attn_implementation=attention, dtype=torch.float32).eval()

    def forward(self, ids, mask):
        hidden = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        return F.normalize((hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9), dim=-1)


def main():
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    embedder = Embedder(Path(os.environ["BENCH_BERT"]), attention="sdpa")
    inputs = case(embedder.bert.config.vocab_size)
    runs, cpu = [], []
    with torch.inference_mode():
        for _ in range(int(os.environ.get("BENCH_REPS", "3")) + 1):
            began, began_cpu = time.perf_counter(), time.process_time()
            embeddings = embedder(*inputs)
            runs.append(round(1000 * (time.perf_counter() - began), 1))
            cpu.append(round(1000 * (time.process_time() - began_cpu)))
    kept = os.environ.get("BENCH_EMBEDDINGS")
    if kept is not None:
        Path(kept, "torch-cpu.f32").write_bytes(embeddings.numpy().tobytes())
    ms = statistics.median_high(runs[1:])
    figures = {
        "ms": ms,
        "embeddings_s": round(1000 * BATCH / ms, 3),
        "cpu_ms": statistics.median_high(cpu[1:]),
        "runs": runs[1:],
        "first_ms": runs[0],
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "load1": round(os.getloadavg()[0], 2),
    }
    print(json.dumps({"peer": "torch-cpu", "workload": f"bert_base_{BATCH}x{LENGTH}", **figures}), flush=True)


if __name__ == "__main__":
    main()

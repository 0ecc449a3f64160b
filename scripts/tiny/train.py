"""Train the preset that ships with the package: presets/gpt2_tiny_en, a GPT-2 of half a million parameters.

    python scripts/tiny/train.py [--steps 2000] [--out presets/gpt2_tiny_en]

The text comes from world.py, the byte-level BPE is learnt on it with GPT-2's own split, the model is trained and saved by
KerasHub (torch backend). One thread, every random number from a seed. Versions: test/reference/requirements.txt.
"""

import argparse
import json
import os
import random
import shutil
import time
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np
import torch
from keras_hub.models import GPT2Backbone, GPT2CausalLM, GPT2CausalLMPreprocessor, GPT2Tokenizer
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

import world

ROOT = Path(__file__).resolve().parents[2]
END = "<|endoftext|>"
POSITIONS = 160
BATCH = 32
POOL = 16  # batches sorted by length together, so that little of a batch is padding
SEED = 20


def learn_vocabulary(texts, size):
    """GPT-2's layout: the 256 bytes (printable ones first), what the merges make, <|endoftext|> last."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet(), key=lambda c: (ord(c) > 255, ord(c)))
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=size - 1, initial_alphabet=alphabet, special_tokens=[], min_frequency=20,
                            show_progress=False),
    )
    merges = [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
    tokens = list(dict.fromkeys([*alphabet, *(left + right for left, right in merges), END]))
    return {token: index for index, token in enumerate(tokens)}, [f"{left} {right}" for left, right in merges]


def batches(rows, seed):
    """Batches of whole stories, each as wide as its longest, in a random order."""
    draw = random.Random(seed)
    order = list(range(len(rows)))
    draw.shuffle(order)
    for start in range(0, len(order) - BATCH * POOL + 1, BATCH * POOL):
        pool = sorted(order[start : start + BATCH * POOL], key=lambda i: len(rows[i]))
        groups = [pool[i : i + BATCH] for i in range(0, len(pool), BATCH)]
        draw.shuffle(groups)
        for group in groups:
            width = max(len(rows[i]) for i in group) - 1
            token_ids = np.zeros((BATCH, width + 1), "int32")
            mask = np.zeros((BATCH, width + 1), "int32")
            for at, i in enumerate(group):
                token_ids[at, : len(rows[i])] = rows[i]
                mask[at, : len(rows[i])] = 1
            yield (
                {"token_ids": token_ids[:, :-1], "padding_mask": mask[:, :-1]},
                token_ids[:, 1:],
                mask[:, 1:].astype("float32"),
            )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=ROOT / "presets" / "gpt2_tiny_en")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keras.utils.set_random_seed(SEED)

    texts = world.stories((options.steps // POOL + 1) * POOL * BATCH, seed=SEED)
    vocabulary, merges = learn_vocabulary(texts[:20000], 800)
    tokenizer = GPT2Tokenizer(vocabulary=vocabulary, merges=merges)
    end = tokenizer.end_token_id
    rows = [[end, *ids, end] for ids in tokenizer(texts)]
    longest = max(len(row) for row in rows)
    print(f"{len(vocabulary)} tokens; {len(texts)} stories, {sum(map(len, rows)):,} tokens, longest {longest}", flush=True)
    assert longest <= POSITIONS

    lm = GPT2CausalLM(
        backbone=GPT2Backbone(
            vocabulary_size=len(vocabulary), num_layers=4, num_heads=4, hidden_dim=96, intermediate_dim=384, dropout=0.0,
            max_sequence_length=POSITIONS,
        ),
        preprocessor=None,  # the batches hold token ids; it comes after the training
    )
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, decay_steps=max(1, options.steps - 100), alpha=0.02, warmup_target=3e-3, warmup_steps=100
    )
    lm.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=0.01, beta_2=0.98, clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=[],
        sampler="greedy",
    )
    started, running = time.time(), None
    for step, (x, y, weight) in enumerate(batches(rows, SEED), start=1):
        if step > options.steps:
            break
        loss = float(lm.train_on_batch(x, y, weight))
        loss *= weight.size / weight.sum()  # Keras counts padding in the mean
        running = loss if running is None else 0.98 * running + 0.02 * loss
        if step % 50 == 0 or step == 1:
            print(f"step {step}: loss {running:.4f}, {time.time() - started:.0f} s", flush=True)

    lm.preprocessor = GPT2CausalLMPreprocessor(tokenizer=tokenizer, sequence_length=POSITIONS)
    shutil.rmtree(options.out, ignore_errors=True)
    lm.save_to_preset(str(options.out))
    metadata = json.loads((options.out / "metadata.json").read_text())
    metadata["date_saved"] = "2026-01-01@00:00:00"  # so that the same run gives the same folder
    (options.out / "metadata.json").write_text(json.dumps(metadata, indent=4))
    for prompt in ("Once", "The quick brown fox", "One morning, Anna", "I want to say", "Where are you", "The three old bears"):
        print("-", lm.generate(prompt))


if __name__ == "__main__":
    main()

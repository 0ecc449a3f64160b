"""Greedy texts and logits of the preset that ships with the package (presets/gpt2_tiny_en), by KerasHub."""

import common
from common import SHIPPED, bools, floats, ints, to_numpy, write

import json

import numpy as np
import torch
from keras_hub.models import CausalLM
from transformers import GPT2Tokenizer

PROMPTS = [
    "Once",
    "Once upon a time, a little",
    "The quick brown fox",
    "The three old bears",
    "One morning, Tom",
    "Mia was a",
    "I want to say",
    "Where are you",
    "This is a story about an",
    "One cold night, the",
    "There once were two",
    "",
]


def gap(lm, token_ids, prompt_length):
    with torch.no_grad():
        logits = to_numpy(lm({"token_ids": token_ids[None], "padding_mask": np.ones((1, len(token_ids)), "int32")}))[0]
    ordered = np.sort(logits[prompt_length - 1 : -1], axis=-1)
    return round(float((ordered[:, -1] - ordered[:, -2]).min()), 4)


def main():
    lm = CausalLM.from_preset(str(SHIPPED))
    lm.compile(sampler="greedy")
    tokenizer = lm.preprocessor.tokenizer
    assets = SHIPPED / "assets" / "tokenizer"
    merges = [tuple(line.split(" ")) for line in (assets / "merges.txt").read_text(encoding="utf-8").splitlines()]
    same_split = GPT2Tokenizer(vocab=json.loads((assets / "vocabulary.json").read_text(encoding="utf-8")), merges=merges)

    texts = []
    for prompt in PROMPTS:
        packed = {k: to_numpy(v) for k, v in lm.preprocessor.generate_preprocess([prompt]).items()}
        length = int(packed["padding_mask"].sum())
        assert same_split.encode(prompt) == packed["token_ids"][0][1:length].tolist()
        raw = lm.make_generate_function()(packed, stop_token_ids=[tokenizer.end_token_id])
        ids = to_numpy(raw["token_ids"])[0][to_numpy(raw["padding_mask"])[0].astype(bool)]
        text = lm.generate(prompt)
        kept = {
            "prompt": prompt, "text": text, "promptLength": length, "tokenIds": ids.tolist(),
            "ended": bool(ids[-1] == tokenizer.end_token_id), "smallestGap": gap(lm, ids, length),
        }
        print(f"{kept['smallestGap']:.4f} {'ended' if kept['ended'] else 'CUT'} {text}")
        assert kept["ended"] and kept["smallestGap"] >= 2e-3, prompt  # else rounding could change the text
        texts.append(kept)

    longest = max(len(kept["tokenIds"]) for kept in texts)
    rows = [kept["tokenIds"] for kept in texts if len(kept["tokenIds"]) < longest][:2]
    width = 24
    token_ids = np.array([row[:width] for row in rows], "int32")
    mask = np.ones_like(token_ids)
    mask[1, 9:] = 0
    with torch.no_grad():
        logits = to_numpy(lm({"token_ids": token_ids, "padding_mask": mask}))
    write("gpt2_tiny_en", {
        "preset": "presets/gpt2_tiny_en",
        "sequenceLength": lm.preprocessor.sequence_length,
        "greedy": texts,
        "batch": {
            "prompts": PROMPTS[:5], "options": {"max_length": 40},
            "texts": lm.generate(PROMPTS[:5], max_length=40),
        },
        "logits": {"tokenIds": ints(token_ids), "paddingMask": bools(mask), "keras": floats(logits[:, ::3]), "everyPosition": 3},
    })


if __name__ == "__main__":
    main()

"""KerasHub's GPT-2 preprocessor on the small vocabulary: the training call, generate_preprocess, generate_postprocess."""

import common
from common import PRESETS, bools, ints, to_numpy, write

import json

import numpy as np
from keras_hub.models import GPT2CausalLMPreprocessor, GPT2Tokenizer
from transformers import GPT2Tokenizer as TransformersTokenizer

FOLDER = PRESETS / "transformers" / "c_float32"
SAME_SPLIT = TransformersTokenizer.from_pretrained(str(FOLDER))

INPUTS = [
    "The old miller", ["The old miller"], ["a", "The quick brown fox", ""], "", [""], "The<|endoftext|>old",
    ["<|endoftext|>", "fox<|endoftext|>"], "!!", "Straße 東京", " leading and trailing ",
]
OPTIONS = [
    {"sequence_length": 8},
    {"sequence_length": 8, "add_start_token": False},
    {"sequence_length": 8, "add_end_token": False},
    {"sequence_length": 8, "add_start_token": False, "add_end_token": False},
    {"sequence_length": 4},
    {"sequence_length": 1},
    {"sequence_length": 16},
]
POSTPROCESS = [
    ("a plain row", [[419, 364, 346, 75, 67]], [[1, 1, 1, 1, 1]]),
    ("an unbatched row", [419, 364, 346, 75, 67], [1, 1, 1, 1, 1]),
    ("masked places are dropped", [[419, 364, 346, 75, 67]], [[1, 1, 0, 1, 0]]),
    ("special ids are dropped anywhere", [[419, 364, 419, 346, 75, 419, 419, 67]], [[1] * 8]),
    ("a pad id with mask true stays", [[419, 0, 364, 0, 0]], [[1, 1, 1, 1, 0]]),
    ("nothing is left", [[419, 0, 0]], [[1, 0, 0]]),
    ("two rows of unlike length", [[419, 364, 0, 0], [419, 346, 75, 67]], [[1, 1, 0, 0], [1, 1, 1, 1]]),
    ("a character cut in the middle", None, [[1, 1, 1]]),
]


def tokenizer():
    return GPT2Tokenizer(vocabulary=str(FOLDER / "vocab.json"), merges=str(FOLDER / "merges.txt"))


def packed(x):
    return {"token_ids": ints(x["token_ids"]), "padding_mask": bools(x["padding_mask"])}


def main():
    records = []
    for options in OPTIONS:
        preprocessor = GPT2CausalLMPreprocessor(tokenizer=tokenizer(), **options)
        for inputs in INPUTS:
            for text in [inputs] if isinstance(inputs, str) else inputs:
                assert SAME_SPLIT.encode(text) == [int(i) for i in preprocessor.tokenizer(text)], text
            x, y, weight = preprocessor(inputs)
            generation = preprocessor.generate_preprocess(inputs)
            records.append({
                "rows": ["S91", "S92", "S93"], "inputs": inputs, "options": options,
                "call": {"x": packed(x), "y": ints(y), "sample_weight": bools(weight)},
                "generatePreprocess": packed(generation),
                "generatePostprocess": preprocessor.generate_postprocess(generation),
            })

    preprocessor = GPT2CausalLMPreprocessor(tokenizer=tokenizer(), sequence_length=8)
    override = [
        {
            "rows": ["S92"], "inputs": inputs, "sequence_length": length,
            "generatePreprocess": packed(preprocessor.generate_preprocess(inputs, sequence_length=length)),
        }
        for inputs in ("The old miller", ["a", "The quick brown fox"])
        for length in (3, 8, 12)
    ]
    x, y, weight = preprocessor(["a", "fox"], y=np.array([1, 2]), sample_weight=np.array([0.5, 0.25]))
    ignored = {"rows": ["S91"], "inputs": ["a", "fox"], "y": ints(y), "sample_weight": bools(weight)}

    cut = preprocessor.tokenizer("東")[:2]
    back = []
    for name, token_ids, mask in POSTPROCESS:
        token_ids = [[419, *map(int, cut)]] if token_ids is None else token_ids
        mask = np.array(mask)[..., : np.array(token_ids).shape[-1]]
        back.append({
            "rows": ["S93"], "name": name, "token_ids": token_ids, "padding_mask": bools(mask),
            "text": preprocessor.generate_postprocess(
                {"token_ids": np.array(token_ids, "int32"), "padding_mask": np.array(mask, bool)}
            ),
        })

    plain = GPT2CausalLMPreprocessor(tokenizer=tokenizer())
    write("preprocess", {
        "preset": "transformers/c_float32",
        "defaults": {
            "rows": ["S90"], "sequence_length": plain.sequence_length, "add_start_token": plain.add_start_token,
            "add_end_token": plain.add_end_token, "start_token_id": plain.tokenizer.start_token_id,
            "end_token_id": plain.tokenizer.end_token_id, "pad_token_id": plain.tokenizer.pad_token_id,
            "vocabulary_size": plain.tokenizer.vocabulary_size(),
        },
        "records": records,
        "sequenceLengthAtTheCall": override,
        "labelsGivenAreIgnored": ignored,
        "postprocess": back,
    })


if __name__ == "__main__":
    main()

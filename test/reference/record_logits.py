"""Logits, hidden states and scores of the tiny presets, by KerasHub and by transformers.

logits/<letter>_<dtype>.json: logits of the plain call for several batches. For float16 and bfloat16 they are the float32
results of the rounded weights. `attends` is true where a query sees at least one real key: the two libraries differ
elsewhere, and so does KerasHub with and without dropout (logits/a_float32_dropout0.json).
score/<letter>_float32.json: KerasHub's score() with its intercept: hidden states, losses, and what interventions change.
"""

import common
from common import PRESETS, bools, floats, ints, to_numpy, write

import keras
import numpy as np
import torch
from keras_hub.models import GPT2CausalLM
from transformers import GPT2LMHeadModel

# Which folders hold the weights of each record.
RECORDS = {
    "a_float32": ["transformers/a_float32", "transformers/a_float32_sharded", "transformers/a_float32_bare",
                  "keras/a_float32", "keras/a_float32_sharded", "keras/a_float32_backbone_only"],
    "a_float32_dropout0": ["keras/a_float32_dropout0"],
    "a_float16": ["transformers/a_float16", "keras/a_float16"],
    "a_bfloat16": ["transformers/a_bfloat16", "keras/a_bfloat16"],
    "b_float32": ["transformers/b_float32", "keras/b_float32"],
    "c_float32": ["transformers/c_float32", "keras/c_float32", "keras/c_float32_sharded"],
    "c_float16": ["transformers/c_float16"],
    "c_bfloat16": ["transformers/c_bfloat16", "keras/c_bfloat16"],
}


def lengths_mask(width, lengths):
    return [[1] * n + [0] * (width - n) for n in lengths]


def cases(letter, size, positions):
    """Named batches: one token, odd widths, the whole position table, and four kinds of padding mask."""
    draw = np.random.default_rng({"a": 1, "b": 2, "c": 3}[letter])

    def ids(rows, width):
        return draw.integers(0, size, (rows, width)).tolist()

    def ones(rows, width):
        return [[1] * width] * rows

    odd = min(7, positions)
    made = [
        ("one", ids(1, 1), ones(1, 1)),
        ("odd", ids(3, odd), ones(3, odd)),
        ("full", ids(1, positions), ones(1, positions)),
        ("right", ids(3, odd), lengths_mask(odd, [odd, 4, 1])),
        ("left", ids(3, 5), [[0, 0, 1, 1, 1], [0, 1, 1, 1, 1], [1, 1, 1, 1, 1]]),
        ("holes", ids(2, 6), [[1, 0, 1, 1, 0, 1], [0, 1, 0, 0, 1, 1]]),
        ("nothing", ids(2, 3), [[0, 0, 0], [1, 1, 1]]),
    ]
    if letter == "a":
        made.append(("wide", ids(5, 13), lengths_mask(13, [13, 12, 7, 2, 1])))
    return [{"name": name, "tokenIds": token_ids, "paddingMask": mask} for name, token_ids, mask in made]


def attends(mask):
    return (np.cumsum(np.array(mask), axis=-1) > 0).tolist()


def keras_logits(model, case):
    with torch.no_grad():
        return to_numpy(model({
            "token_ids": np.array(case["tokenIds"], "int32"),
            "padding_mask": np.array(case["paddingMask"], "int32"),
        }))


def transformers_logits(model, case):
    with torch.no_grad():
        return to_numpy(model(
            input_ids=torch.tensor(case["tokenIds"]), attention_mask=torch.tensor(case["paddingMask"])
        ).logits)


def distance(x, y, where):
    return float(np.abs(x - y)[np.array(where)].max())


def record_logits(name, folders):
    kept = {}
    for folder in folders:
        layout = folder.split("/")[0]
        path = str(PRESETS / folder)
        keras_model = GPT2CausalLM.from_preset(path, preprocessor=None, dtype="float32")
        backbone = keras_model.backbone
        for case in cases(name[0], backbone.vocabulary_size, backbone.max_sequence_length):
            if "_float32" not in name and case["name"] not in ("odd", "right", "left"):
                continue  # rounding is the only news there
            record = kept.setdefault(case["name"], {**case, "attends": attends(case["paddingMask"])})
            got = keras_logits(keras_model, case)
            assert np.isfinite(got).all()
            if "keras" in record:
                assert np.array_equal(got, record["keras"]), (folder, case["name"])
            record["keras"] = got
            if layout == "transformers":
                model = GPT2LMHeadModel.from_pretrained(path, dtype=torch.float32).eval()
                got = transformers_logits(model, case)
                if "transformers" in record:
                    assert np.array_equal(got, record["transformers"]), (folder, case["name"])
                record["transformers"] = got
                far = distance(record["keras"], got, record["attends"])
                assert far < 2e-5, (folder, case["name"], far)
    spread = max(float(record["keras"].std()) for record in kept.values())
    for record in kept.values():
        for key in ("keras", "transformers"):
            if key in record:
                record[key] = floats(np.nan_to_num(record[key], nan=0.0))
    write(f"logits/{name}", {"presets": folders, "spread": round(spread, 3), "cases": list(kept.values())})


def record_score(name):
    model = GPT2CausalLM.from_preset(str(PRESETS / "keras" / name), preprocessor=None)
    backbone = model.backbone
    records = []
    for case in cases(name[0], backbone.vocabulary_size, backbone.max_sequence_length):
        if case["name"] not in ("odd", "right", "left"):
            continue
        token_ids = np.array(case["tokenIds"], "int32")
        target_ids = np.roll(token_ids, -1, axis=1)
        mask = np.array(case["paddingMask"], "int32")
        record = {**case, "attends": attends(mask), "targetIds": ints(target_ids)}

        def score(fn=None, mode="loss", padding_mask=mask):
            return model.score(token_ids, padding_mask=padding_mask, scoring_mode=mode, layer_intercept_fn=fn,
                               target_ids=target_ids)

        seen, order = [], []

        def watch(x, index):
            order.append(index)
            if index == -1:
                x = x.detach().requires_grad_(True)
            seen.append(x)
            return x

        losses = score(watch)
        gradient = torch.autograd.grad(losses.sum(), seen[0])[0]
        record["interceptOrder"] = order
        record["hiddenStates"] = [floats(to_numpy(x)) for x in seen]
        record["embeddingGradientOfSummedLoss"] = floats(to_numpy(gradient))
        with torch.no_grad():
            record["backboneOutput"] = floats(to_numpy(backbone({"token_ids": token_ids, "padding_mask": mask})))
            record["loss"] = floats(to_numpy(score()))
            record["lossWithoutMask"] = floats(to_numpy(score(padding_mask=None)))
            record["logits"] = floats(to_numpy(score(mode="logits")))
            record["interventions"] = [
                {"layer": -1, "multiplyBy": 0.5, "loss": floats(to_numpy(score(lambda x, i: x * 0.5 if i == -1 else x)))},
                {"layer": 0, "multiplyBy": 0.0, "loss": floats(to_numpy(score(lambda x, i: x * 0.0 if i == 0 else x)))},
                {"layer": backbone.num_layers - 1, "multiplyBy": -1.5,
                 "loss": floats(to_numpy(score(lambda x, i: x * -1.5 if i == backbone.num_layers - 1 else x)))},
            ]
        records.append(record)
    write(f"score/{name}", {"preset": f"keras/{name}", "cases": records})


def main():
    for name, folders in RECORDS.items():
        record_logits(name, folders)
    record_score("a_float32")
    record_score("c_float32")


if __name__ == "__main__":
    main()

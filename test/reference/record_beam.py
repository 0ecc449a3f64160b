"""Beam search and contrastive search by KerasHub: generate() of the tiny presets, and the samplers' loop over a small chain.

A record of `generate` has the form of those in generate.json, with the sampler's class and options. Of beam search there are
all beams too, best first, and their log-probabilities: KerasHub's generate() fails with return_all_beams, its sampler does
not. `smallestGap` is the least distance of what was chosen from what was not, at any step: an implementation whose numbers are
off by more may choose otherwise.

A record of `chains` is a sampler's own loop over `next`, which looks up logits and hidden states of the last token.
"""

import common
from common import bools, floats, ints, to_numpy, write

import keras
import numpy as np
import torch
from keras import ops
from keras_hub.samplers import BeamSampler, ContrastiveSampler, GreedySampler
from keras_hub.src.samplers import beam_sampler, contrastive_sampler
from record_generate import model, prompt

GAPS = []


class Watched:
    """Stands in for keras.ops inside a sampler's module, and notes how clear each choice was."""

    def __getattr__(self, name):
        return getattr(ops, name)

    def top_k(self, x, k, sorted=True):
        if x.shape[-1] > k:
            values = to_numpy(ops.top_k(x, k + 1, sorted=True)[0]).astype("float64")
            GAPS.append(float((values[..., -2] - values[..., -1]).min()))
        return ops.top_k(x, k, sorted=sorted)

    def argmax(self, x, axis=None):
        if x.shape[axis] > 1:
            values = np.sort(np.moveaxis(to_numpy(x).astype("float64"), axis, -1), axis=-1)
            GAPS.append(float((values[..., -1] - values[..., -2]).min()))
        return ops.argmax(x, axis=axis)


beam_sampler.ops = contrastive_sampler.ops = Watched()


class AllBeams(BeamSampler):
    """Keeps all beams aside and goes on with the best."""

    def __call__(self, *args, **kwargs):
        self.return_all_beams = True
        prompts, log_probs = super().__call__(*args, **kwargs)
        self.return_all_beams = False
        self.kept = {"tokenIds": ints(prompts), "logProbs": floats(to_numpy(log_probs))}
        return prompts[:, 0]


def smallest(gaps):
    """Beams that are worth nothing stay alike for a while; only real choices count."""
    gaps = [gap for gap in gaps if gap > 0]
    return round(min(gaps), 6) if gaps else None


SAMPLERS = {
    "beam 1": lambda: AllBeams(num_beams=1),
    "beam 2": lambda: AllBeams(num_beams=2),
    "beam 4": lambda: AllBeams(num_beams=4),
    "beam 3, temperature 0.7": lambda: AllBeams(num_beams=3, temperature=0.7),
    "contrastive": lambda: ContrastiveSampler(),
    "contrastive, k 3, alpha 0.3": lambda: ContrastiveSampler(k=3, alpha=0.3),
    "contrastive, k 2, alpha 0.9, temperature 2": lambda: ContrastiveSampler(k=2, alpha=0.9, temperature=2.0),
}


def options_of(sampler):
    config = {k: v for k, v in sampler.get_config().items() if k != "return_all_beams"}
    return {"class": "BeamSampler" if isinstance(sampler, BeamSampler) else type(sampler).__name__, **config}


def record(name, inputs, sampler, preset="keras/c_float32", preprocessor=True, **options):
    lm = model(preset, preprocessor)
    own = SAMPLERS[sampler]()
    lm.compile(sampler=own)
    GAPS.clear()
    given = {k: np.array(v, "int32") for k, v in inputs.items()} if isinstance(inputs, dict) else inputs
    if isinstance(given, dict):  # contrastive search takes ~mask of what it is given, so that it has to be bool
        given["padding_mask"] = given["padding_mask"].astype(bool)
    result = lm.generate(given, **options)
    kept = {
        "name": name, "sampler": options_of(own), "preset": preset, "preprocessor": preprocessor, "inputs": inputs,
        "options": options, "smallestGap": smallest(GAPS),
    }
    if isinstance(result, dict):
        kept["result"] = {"token_ids": ints(result["token_ids"]), "padding_mask": bools(result["padding_mask"])}
    else:
        kept["result"] = result
    if isinstance(own, AllBeams):
        kept["beams"] = own.kept
    return kept


def records():
    ragged = ["again and", "The hen replied,", "a", "The quick brown fox"]
    for sampler in SAMPLERS:
        yield record("one string", "The old", sampler, max_length=20)
        yield record("a ragged batch", ragged, sampler, max_length=20, stop_token_ids=None)
        yield record("a ragged batch that may stop", ragged, sampler, max_length=24, stop_token_ids=[137, 282, 39, 243])
        yield record("a batch without its prompts", ["again and", "a"], sampler, max_length=16, strip_prompt=True)
    a = dict(preset="keras/a_float32", preprocessor=False)
    rows = [[55, 8], [77, 10, 13], [40], [66, 9, 21, 67, 3]]
    for sampler in ("beam 2", "beam 4", "contrastive"):
        yield record("token dict, ragged", prompt(rows, 14), sampler, stop_token_ids=None, **a)
        yield record("token dict, whole position table", prompt(rows[:2], 32), sampler, stop_token_ids=None, **a)
        yield record("token dict, one place is free", prompt(rows[:1], 3), sampler, stop_token_ids=None, **a)
        yield record("stop ids, some rows end", prompt(rows, 14), sampler, stop_token_ids=[24, 67], **a)
        yield record("strip_prompt of tokens", prompt(rows, 12), sampler, stop_token_ids=None, strip_prompt=True, **a)
    yield record("more beams than tokens", prompt([[1], [2, 3]], 6), "beam 4", preset="keras/b_float32", preprocessor=False,
                 stop_token_ids=None)


def chains():
    draw = np.random.default_rng(11)
    vocabulary, width, length = 13, 6, 12
    table = draw.normal(0, 2, (vocabulary, vocabulary)).astype("float32")
    states = draw.normal(0, 1, (vocabulary, width)).astype("float32")
    logits_of, states_of = torch.tensor(table), torch.tensor(states)

    def next(prompt, cache, index):
        last = prompt[:, int(index) - 1].long()
        return logits_of[last], states_of[last], cache

    ids = np.zeros((3, length), "int32")
    ids[:, :4] = draw.integers(1, vocabulary, (3, 4))
    mask = np.zeros((3, length), bool)
    for row, given in enumerate((4, 2, 3)):
        mask[row, :given] = True
        ids[row, given:] = 0
    runs = []
    for sampler in (GreedySampler(), AllBeams(num_beams=3), AllBeams(num_beams=5, temperature=1.5),
                    ContrastiveSampler(), ContrastiveSampler(k=4, alpha=0.2)):
        for stop in (None, [7, 9]):
            GAPS.clear()
            made = sampler(next, torch.tensor(ids), index=2, mask=torch.tensor(mask), stop_token_ids=stop,
                           hidden_states=states_of[torch.tensor(ids).long()])
            run = {"sampler": options_of(sampler), "stop_token_ids": stop, "tokenIds": ints(made),
                   "smallestGap": smallest(GAPS)}
            if isinstance(sampler, AllBeams):
                run["beams"] = sampler.kept
            runs.append(run)
    return {"logits": floats(table), "states": floats(states), "prompt": ints(ids), "mask": bools(mask), "index": 2,
            "runs": runs}


def main():
    with torch.no_grad():
        kept = list(records())
        chained = chains()
    for one in kept:
        print(one["name"], one["sampler"], one["smallestGap"])
    write("beam", {"records": kept, "chains": chained})


if __name__ == "__main__":
    main()

"""What KerasHub's samplers draw from: the distribution over tokens after temperature, top-k and top-p.

KerasHub's own get_next_token runs with a categorical that notes the log-probabilities it is given and returns the place it
is told to, so that both the allowed tokens and their order come from KerasHub. Where the cut falls between equal
probabilities, or within 1e-5 of `p`, either side is right: `ambiguous` names such rows.
"""

import common
from common import floats, to_numpy, write

import keras
import numpy as np
import torch
from keras_hub.samplers import GreedySampler, RandomSampler, TopKSampler, TopPSampler
from keras_hub.src.samplers import random_sampler, top_k_sampler, top_p_sampler


class Watched:
    """Stands in for keras.random inside a sampler's module."""

    SeedGenerator = keras.random.SeedGenerator
    place, seen = 0, None

    def categorical(self, logits, num_samples, seed=None, dtype="int32"):
        self.seen = to_numpy(logits).astype("float64")
        return torch.full((logits.shape[0], 1), self.place, dtype=torch.int64)


def distribution(sampler, module, logits):
    """Probabilities [rows, vocabulary], 0 where a token cannot be drawn."""
    watched, original = Watched(), module.random
    module.random = watched
    try:
        probabilities = sampler.compute_probabilities(torch.tensor(logits))
        sampler.get_next_token(probabilities)
        weights = np.exp(watched.seen)
        weights /= weights.sum(-1, keepdims=True)
        dense = np.zeros(logits.shape)
        for watched.place in range(weights.shape[1]):
            tokens = to_numpy(sampler.get_next_token(probabilities))
            for row, token in enumerate(tokens):
                dense[row, token] += weights[row, watched.place]
    finally:
        module.random = original
    return to_numpy(probabilities), dense


def batches():
    draw = np.random.default_rng(7)
    spread = draw.normal(0, 2, (5, 13)).astype("float32")
    wide = draw.normal(0, 3, (3, 97)).astype("float32")
    special = np.array([
        [0, 0, 0, 0, 0, 0, 0, 0],
        [1, 3, 3, 2, 3, 0, 2, 2],
        [5, 5, 1, 1, 1, 1, 1, 0],
        [100, 0, -100, 50, 99, 1, 2, 3],
        [-3e4, -3e4, -3e4, 7, -3e4, -3e4, -3e4, -3e4],
        [3e4, 3e4 - 64, 0, 0, 0, 0, 0, 0],
        [-1, -2, -3, -4, -5, -6, -7, -8],
    ], "float32")
    one = np.array([[0.5]], "float32")
    return [("spread", spread), ("wide", wide), ("special", special), ("one token", one)]


def tie_at(probabilities, k):
    ordered = -np.sort(-probabilities, axis=-1)
    if k >= ordered.shape[1]:
        return [False] * len(ordered)
    return (np.abs(ordered[:, k - 1] - ordered[:, k]) < 1e-9).tolist()


def near(probabilities, p, k):
    ordered = -np.sort(-probabilities.astype("float64"), axis=-1)[:, :k]
    unsure = []
    for row in ordered:
        sums = np.cumsum(row)
        kept = int((sums <= p).sum()) + 1
        cut_in_tie = kept < len(row) and abs(row[kept - 1] - row[kept]) < 1e-9
        unsure.append(bool((np.abs(sums[:-1] - p) < 1e-5).any() or cut_in_tie))
    return unsure


def main():
    cases = []
    for name, logits in batches():
        size = logits.shape[1]
        case = {"name": name, "logits": floats(logits), "temperature": [], "topK": [], "topP": []}
        for temperature in (1.0, 0.5, 2.0, 0.05, 1.7):
            sampler = RandomSampler(temperature=temperature, seed=1)
            probabilities, dense = distribution(sampler, random_sampler, logits)
            assert np.allclose(probabilities, dense, atol=1e-6)
            case["temperature"].append({
                "temperature": temperature, "probabilities": floats(probabilities),
                "greedy": GreedySampler(temperature=temperature).get_next_token(torch.tensor(probabilities)).tolist(),
            })
        for k in (1, 2, 3, 5, size):
            for temperature in (1.0, 0.5):
                if k > size:
                    continue
                sampler = TopKSampler(k=k, temperature=temperature, seed=1)
                probabilities, dense = distribution(sampler, top_k_sampler, logits)
                case["topK"].append({
                    "k": k, "temperature": temperature, "probabilities": floats(dense), "ambiguous": tie_at(probabilities, k),
                })
        for p in (0.0, 0.1, 0.3, 0.5, 0.9, 0.99, 1.0):
            for k in (None, 2, 5):
                if k is not None and k > size:
                    continue
                for temperature in (1.0, 2.0) if k is None else (1.0,):
                    sampler = TopPSampler(p=p, k=k, temperature=temperature, seed=1)
                    probabilities, dense = distribution(sampler, top_p_sampler, logits)
                    unsure = near(probabilities, p, k or size)
                    if k is not None:
                        unsure = [a or b for a, b in zip(unsure, tie_at(probabilities, k))]
                    case["topP"].append({
                        "p": p, "k": k, "temperature": temperature, "probabilities": floats(dense), "ambiguous": unsure,
                    })
        cases.append(case)

    def raises(make):
        try:
            make()
        except Exception as error:
            return type(error).__name__
        return None

    four = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    write("samplers", {
        "defaults": {"top_k": {"k": TopKSampler().k}, "top_p": {"p": TopPSampler().p, "k": TopPSampler().k},
                     "temperature": GreedySampler().temperature},
        "errors": {"k larger than the vocabulary": raises(lambda: TopKSampler(k=5).get_next_token(four))},
        "cases": cases,
    })


if __name__ == "__main__":
    main()

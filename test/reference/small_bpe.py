"""A byte-level BPE small enough to commit and nasty enough to judge a splitter.

Learnt merges alone never cross a boundary of the pattern they were learnt with, so they cannot show that a text was cut
too coarsely. The first merges here are therefore made by hand *across* the boundaries of GPT-2's pattern: a splitter that
takes U+FEFF for white space, or "'S" for a contraction, or digits in threes, gets other ids than GPT-2's does.
"""

import common  # noqa: F401  (first: it selects the backend)

import json

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

END = "<|endoftext|>"
SIZE = 420

TEXT = """
The old miller's dog didn't bark; it's said that they'll sleep till 10 o'clock. We've 12 apples, 345 pears, 6789 plums.
"Where are you?" said the fox. "I'm here," the hen replied, and she'd laid two eggs: one white, one brown.
    def walk(self, step=1):
        return self.path[step:] + [None] * 4
The quick brown fox jumps over the lazy dog. The quick brown foxes jump over the lazy dogs, again and again.
Der alte Müller schläft, während die Katze über die Straße läuft. Où est la bibliothèque? ¿Dónde está el niño?
Старый мельник спит, а кошка идёт домой. 東京は日本の首都です。 日本語と中文。 مرحبا بالعالم. שלום עולם.
1999 2000 2001 2024-05-17, 3.14159, 1,000,000; 50% of $20 is $10. e-mail: fox@den.example, http://den.example/~fox
""" * 3


def byte_symbols():
    """GPT-2's printable character for each byte 0..255."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols, spare = {}, 256
    for byte in range(256):
        if byte in kept:
            symbols[byte] = chr(byte)
        else:
            symbols[byte] = chr(spare)
            spare += 1
    return symbols


SYMBOLS = byte_symbols()


def spell(text):
    """A text in byte symbols."""
    return [SYMBOLS[byte] for byte in text.encode("utf-8")]


# Pairs of texts to be joined; each part must be a byte or made by an earlier line.
JOINED_CHARACTERS = ["\u00a0", "\ufeff", "\u0085", "\u3000", "\u2028", "\u180e", "\u200b", "\u200d", "\u0301", "\u0661", "\u00b2", "\u212a", "\u2160"]
CROSSING = [
    ("'", "S"), ("'", "T"), ("'", "R"), ("'R", "E"), ("'", "s"), ("'", "t"), ("'", "r"), ("'r", "e"), ("'", "l"), ("'l", "l"),
    ("1", "2"), ("3", "4"), ("12", "34"), ("5", "6"), ("12", "3"), ("a", "1"), ("1", "a"), ("1", "!"), ("!", "1"),
    (" ", " "), ("  ", "  "), (" ", "a"), ("  ", "a"), (" ", "!"), (" ", "1"), (" ", "'"), (" '", "s"),
    ("\n", "\n"), ("\r", "\n"), (" ", "\n"), ("\n", " "), ("\n", "a"), (".", "\n"), ("!", "a"), ("a", "!"), ("_", "a"), ("-", "a"),
    ("\t", "\t"), ("\t", "a"), ("\t", " "), ("\u001c", "!"), ("\u0000", "!"), ("\u000b", "!"), ("!", "!"),
] + [(character, "!") for character in JOINED_CHARACTERS] + [(character, "a") for character in JOINED_CHARACTERS[:7]] + [
    ("e", "\u0301"), ("a", "\u0661"), ("1", "\u00b2"),
]


def crossing_merges():
    merges, known = [], set(SYMBOLS.values())

    def join(left, right):
        if left + right not in known:
            merges.append((left, right))
            known.add(left + right)

    def whole(symbols):
        token = symbols[0]
        for symbol in symbols[1:]:
            join(token, symbol)
            token += symbol
        return token

    for left, right in CROSSING:
        join(whole(spell(left)), whole(spell(right)))
    return merges, known


def train(texts, size):
    """Merges learnt with GPT-2's own split, as pairs in order."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=size,
            initial_alphabet=sorted(SYMBOLS.values()),
            special_tokens=[],
            show_progress=False,
        ),
    )
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def build():
    """The vocabulary (token to id, <|endoftext|> last as in GPT-2) and the merges (one "left right" a line)."""
    merges, known = crossing_merges()
    for left, right in train([TEXT], 1000):
        if len(known) + 1 >= SIZE:
            break
        if left in known and right in known and left + right not in known:
            merges.append((left, right))
            known.add(left + right)
    # GPT-2's order of the single bytes: printable ones first, so that id 0 is "!".
    singles = sorted(SYMBOLS.values(), key=lambda s: (ord(s) > 255, ord(s)))
    tokens = singles + [left + right for left, right in merges] + [END]
    assert len(tokens) == len(set(tokens)) == SIZE, len(tokens)
    return {token: index for index, token in enumerate(tokens)}, [f"{left} {right}" for left, right in merges]


if __name__ == "__main__":
    vocabulary, merges = build()
    print(len(vocabulary), len(merges), merges[:8], merges[-8:])

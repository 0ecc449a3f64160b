"""WordPiece in both behaviours on one small vocabulary: KerasHub's BertTokenizer (plain calls) and transformers' (tokenizers).

`variants` hold settings and ids: the first of each library for every text, later ones only where they differ from it
(by the text's place). `classes` tell for every character of Unicode 14 what `a<character>b` becomes, as runs of equal ids.
"""

import common
from common import write

import json
import random
import tempfile
import unicodedata
from pathlib import Path

from keras_hub.models import BertTokenizer
from keras_hub.src.tokenizers import word_piece_tokenizer
from transformers import AutoTokenizer
from transformers import BertTokenizer as TransformersTokenizer

from record_tokenizer import TEXTS as HOSTILE

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["the", "The", "quick", "fox", "##es", "jump", "##ed", "##s", "un", "##aff", "##able", "strasse", "##ss", "fi", "##sh", "...", "don", "cafe", "caf\u00e9"]
CHARACTERS = sorted(
    set("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
    | set("\u00e9\u00df\u00a0\u00ad\u3000\u2028\u200b\u200d\ufeff\ufffd\u0301\u0307\u0130\u0131\u03a3\u03c3\u03c2\u4e2d\u6587\u65e5\u3042\u30fc\ud55c\u1112\u1161\u11ab\u0915\u094d\uff21\uff11\ufb01")
    | set("\u2019\u2014\u2026\u3002\u00b4\u20ac\u00a9\u2122\u0661\u0e01\u0e33\U0001F600\U0001F468\U00010400\U00010428\U0001D7D9\U00020000\u13a0\uab70\ufe0f\u2044\u00bd\ue000")
)
VOCABULARY = list(dict.fromkeys(SPECIAL + WORDS + [piece for c in CHARACTERS for piece in (c, f"##{c}") if c not in ("\u00a0", "\u3000", "\u2028")]))

TEXTS = [text for text in HOSTILE if len(text) <= 60] + [
    "the foxes jumped", "The Foxes Jumped", "unaffable", "unaffably", "STRASSE", "Stra\u00dfe stra\u1e9ee", "FISH \ufb01sh", "CAF\u00c9", "Cafe\u0301", "cafe\u0301s",
    "\u0391\u03a3 \u0391\u03a3\u0391", "\u03a3", "\u0130\u0131I", "\u1e9b\u0323", "\u212b", "\uff21\uff22\uff23", "\ufe5f\uff03", "\u2044", "\u00bd", "\u2460", "\u3392",
    "[CLS]", "[CLS] the [SEP]", "[cls]", "[MASK]", "the [MASK] fox", "the[MASK]fox", "[[MASK]]", "[MASK][MASK]", "[UNK]", "[PAD]a[PAD]", "[MASK", "[CLS]\u0301", "a[Sep]b",
    "##s", "# #s", "##", "#", "fox##es", "a##b", "\uff03\uff03s",
    "a\u0000b", "a\u0001b", "a\u007fb", "a\u0085b", "a\u00adb", "a\u200bb", "a\u200db", "a\u2028b", "a\u2029b", "a\u202fb", "a\u00a0b", "a\u3000b", "a\ufeffb", "a\ufffdb", "a\ue000b",
    "a\u0600b", "a\u0890b", "a\u08e2b", "a\u110bdb", "a\U00013430b", "a\U000e0041b", "a\tb", "a\x0bb", "a\x0cb", "a\x1cb", "a\x1fb", "a\u1680b", "a\u180eb", "a\u2060b",
    "a\u166db", "a\u061db", "a\u2e43b", "a\U000111c9b", "a\u1734b", "a\u0340b", "a\u07fdb", "a\u08d3b", "a\u08d4b", "a\u09feb",
    "\u4e2d\u6587fox\u65e5", "\ufa0e\uf900", "\U0002b820\U0002b920", "\U0002f800", "\u3042\u65e5\u3042", "\ud55c\uad6d", "\u1112\u1161\u11ab", "\u304b\u3099",
    "don't", "don\u2019t", "e-mail@x.org", "$5.00", "50%", "a_b", "^a^", "`a`", "\u00b4a\u00b4", "a\u2014b", "\u2026", "\u00a9\u2122\u20ac",
    "a" * 99, "a" * 100, "a" * 101, "\u00e9" * 50, "\u00e9" * 51, "\u00e9" * 100, "\u00e9" * 101, "\U00010428" * 25, "\U00010428" * 26, "\U00010428" * 101, "a" * 97 + "...", "\ufdfa" * 3, "\ufdfa" * 9, "x " * 30,
    "\u13a0\uab70", "\u0345", "\u1f80", "\u01c5", "\u0149", "\u1fb7", "\u0390",
]
TEXTS = list(dict.fromkeys(TEXTS))

KERAS = [
    {"lowercase": False},
    {"lowercase": True},
    {"lowercase": True, "strip_accents": True},
    {"lowercase": False, "strip_accents": True, "split_on_cjk": False},
    {"lowercase": True, "special_tokens_in_strings": True},
]
TRANSFORMERS = [
    {"do_lower_case": True},
    {"do_lower_case": False},
    {"do_lower_case": True, "strip_accents": False},
    {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False},
]
NAMES = {
    "lowercase": "lowercase", "do_lower_case": "lowercase", "strip_accents": "stripAccents", "split_on_cjk": "splitOnCjk",
    "tokenize_chinese_chars": "splitOnCjk", "special_tokens_in_strings": "specialTokensInStrings",
}


def settings(library, options):
    return {"follows": library, **{NAMES[name]: value for name, value in options.items()}}


def keras_tokenizer(vocabulary=VOCABULARY, **options):
    tokenizer = BertTokenizer(vocabulary=vocabulary, **options)
    return tokenizer, lambda texts: [[int(id) for id in tokenizer(text)] for text in texts]


def transformers_tokenizer(vocabulary=VOCABULARY, **options):
    tokenizer = TransformersTokenizer(vocab={token: id for id, token in enumerate(vocabulary)}, **options)
    return tokenizer, lambda texts: tokenizer(texts, add_special_tokens=False)["input_ids"]


def variants(library, all_options, make):
    recorded, base = [], None
    for options in all_options:
        _, encode = make(**options)
        ids = encode(TEXTS)
        if base is None:
            base = ids
            recorded.append({"settings": settings(library, options), "ids": ids})
        else:
            changed = {str(place): row for place, (row, other) in enumerate(zip(ids, base)) if row != other}
            recorded.append({"settings": settings(library, options), "changed": changed})
        print(library, options, len(recorded[-1].get("changed", ids)))
    return recorded


def classes(library, options, make):
    """Runs of characters that become alike: from its first character each run holds up to the next one's."""
    small = [*SPECIAL, "a", "b", "##a", "##b"]
    _, encode = make(vocabulary=small, **options)
    points = [p for p in range(0x110000) if unicodedata.category(chr(p)) not in ("Cn", "Cs") and not 0xF0000 <= p]
    rows = encode([f"a{chr(point)}b" for point in points])
    runs = []
    for point, row in zip(points, rows):
        key = " ".join(map(str, row))
        if not runs or runs[-1][1] != key or point - last > 1:
            runs.append([point, key, 0])
        runs[-1][2] += 1
        last = point
    print(library, options, len(runs), "runs")
    keys = sorted({key for _, key, _ in runs})
    return {
        "settings": settings(library, options),
        "outcomes": [[int(id) for id in key.split()] for key in keys],
        # First character, how many there are, what becomes of them.
        "runs": [number for first, key, length in runs for number in (first, length, keys.index(key))],
    }


def rows_of_ids():
    draw = random.Random(3)
    suffixes = [id for id, token in enumerate(VOCABULARY) if token.startswith("##")]
    punctuation = [VOCABULARY.index(token) for token in ".,!?'"]
    rows = [[], [2, 5, 3], suffixes[:3], [5, suffixes[0], suffixes[1], 7], [0, 0, 4, 4, 1], [7, *punctuation, 7]]
    rows += [[draw.choice(range(len(VOCABULARY))) for _ in range(draw.randrange(1, 9))] for _ in range(20)]
    rows += [[draw.choice(suffixes + punctuation * 3 + list(range(5, 24))) for _ in range(6)] for _ in range(20)]
    return rows


ODD_FILES = [
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nfox\n",
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nfox",
    "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\nthe\r\nfox\r\n",
    "[PAD]\n[UNK]\n\n[CLS]\n[SEP]\n[MASK]\nthe\n\nfox\n",
    "[PAD]  \n[UNK]\t\n[CLS]\u3000\n[SEP]\n[MASK]\nthe\u00a0\nfox \u2028\n\n",
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n\u2028\n##\u2028\nthe\nfox\n",
]


def odd_files():
    recorded = []
    # Where tensorflow-text is installed KerasHub refuses files whose lines get alike; this is what it does without.
    word_piece_tokenizer.tf_text = None
    for text in ODD_FILES:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "vocabulary.txt"
            path.write_text(text, encoding="utf-8", newline="")
            keras = BertTokenizer(vocabulary=["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"])
            keras.load_assets(folder)
            path.rename(Path(folder) / "vocab.txt")
            (Path(folder) / "config.json").write_text('{"model_type": "bert"}')
            own = AutoTokenizer.from_pretrained(folder)
            ids = {token: own.convert_tokens_to_ids(token) for token in (*SPECIAL, "the", "fox")}
            assert ids == {token: keras.token_to_id(token) for token in ids}, (text, ids)
            recorded.append({"text": text, "size": keras.vocabulary_size(), "ids": ids})
    return recorded


def main():

    keras, _ = keras_tokenizer()
    own, _ = transformers_tokenizer(do_lower_case=True)
    rows = rows_of_ids()
    with tempfile.TemporaryDirectory() as folder:
        transformers_tokenizer(do_lower_case=True)[0].save_pretrained(folder)
        saved = (Path(folder) / "tokenizer.json").read_text(encoding="utf-8")
    write("encoders/wordpiece", {
        "vocabulary": VOCABULARY,
        "texts": TEXTS,
        "variants": [
            *variants("kerasHub", KERAS, keras_tokenizer), *variants("transformers", TRANSFORMERS, transformers_tokenizer),
        ],
        "rows": [
            {"ids": row, "kerasHub": keras.detokenize(row) if row else "", "transformers": own.decode(row)} for row in rows
        ],
        "special": {
            "kerasHub": sorted(int(id) for id in keras.special_token_ids), "start": keras.start_token_id, "end": keras.end_token_id,
            "pad": keras.pad_token_id, "mask": keras.mask_token_id, "size": keras.vocabulary_size(),
        },
        "files": odd_files(),
        "tokenizerJson": json.dumps(json.loads(saved)),
    })
    write("encoders/characters", {
        "unicode": unicodedata.unidata_version,
        "classes": [
            classes("kerasHub", {"lowercase": False}, keras_tokenizer),
            classes("kerasHub", {"lowercase": True}, keras_tokenizer),
            classes("kerasHub", {"lowercase": False, "strip_accents": True}, keras_tokenizer),
            classes("transformers", {"do_lower_case": False}, transformers_tokenizer),
            classes("transformers", {"do_lower_case": True}, transformers_tokenizer),
        ],
    })


if __name__ == "__main__":
    main()

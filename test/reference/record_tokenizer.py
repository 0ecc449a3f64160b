"""Byte-level BPE with GPT-2's own split, by transformers' GPT2Tokenizer, on two vocabularies.

`ids` and `text` are transformers'. `kerasHub` stands only where KerasHub's ids differ: its plain path splits as Llama 3 does,
which is not how these vocabularies were learnt; the tests follow `ids`.
"""

import common
from common import PRESETS, SHIPPED, write

import json

from keras_hub.models import GPT2Tokenizer
from transformers import GPT2Tokenizer as TransformersTokenizer

FAMILY = "\U0001F468\u200d\U0001F469\u200d\U0001F467\u200d\U0001F466"
TEXTS = [
    # nothing, white space
    "", " ", "  ", "   ", "    ", "     ", " a", "  a", "   a", "a ", "a  ", "a   ", "a b", "a  b", "a   b", "a    b", " a  ",
    "\n", "\n\n", "\n\n\n", "a\n", "a\nb", "a\n\nb", "a \nb", "a\n b", "a\n  b", "\n a", " \n", " \n ", "a. \n\n b", ".\n", "!\n!\n",
    "\t", "\t\t", "\ta", "\t\ta", "a\tb", "a\t\tb", "\t a", " \ta", "\r", "\r\n", "\r\n\r\n", "a\r\nb", "a\rb", "a\n\rb",
    "\u000b", "\u000c", "a\u000bb", "\u000b!", "a\u000c\u000c!", "\u001c!", "a\u001c\u001db", " \u001f1",
    # white space beyond ASCII, and what looks like it
    "\u00a0", "a\u00a0b", "\u00a0\u00a0a", "a \u00a0 b", "\u00a0!", "\u00a0a", "\u0085", "\u0085!", "a\u0085b", "\u0085a",
    "\u3000", "\u3000a", "\u3000!", "a\u3000\u3000b", "\u2028", "\u2028!", "\u2029a", "a\u2009b", "\u202f1", "\u1680!",
    "\u200b", "\u200b!", "a\u200bb", "\u200d!", "\ufeff", "\ufeff!", "\ufeffa", "a\ufeff b", "\u180e!", "\u180ea", "\u2060 a",
    # contractions
    "it's", "It'S", "IT'S", "don't", "DON'T", "we'll", "WE'LL", "they're", "they'RE", "I've", "I'VE", "I'm", "I'd", "'s", " 's", "''s",
    "'stop", "'tis", "rock'n'roll", "it\u2019s", "a's's", "1's", "!'s", "'", "''", "'re'", "'llama", "o'clock", "'ll 've 're",
    # digits
    "1", "12", "123", "1234", "12345", "1234567890", "1 2 3", " 12", "a1", "1a", "a1b2", "1,000,000.50", "3.14", "12:34", "-12", "1!", "!1",
    "\u0661\u0662\u0663", "a\u0661", "\u096a\u096c", "\u00b2", "1\u00b2", "\u00bd", "\u2160\u2161", "\u0e51\u0e52", "\uff11\uff12", "\U0001d7d9\U0001d7da", "\u216012",
    # letters and marks
    "caf\u00e9", "cafe\u0301", "e\u0301", "\u0301", "\u0301!", "a\u0301\u0301b", "n\u0303o", "\u1100\u1161\u11a8", "\ud55c\uad6d\uc5b4", "\u0915\u094d\u0937\u093f", "\u0e01\u0e33", "\u212a", "\u212aa", "\u0130stanbul", "\u0131",
    "Stra\u00dfe STRASSE", "\ufb01sh", "\uff21\uff22", "\u01c5", "\u02b0", "\u00aa\u00ba", "\u10d0\u10d1", "\u13a0", "\U00010400\U00010428", "\u4e2d\u6587\u5b57", "\u65e5\u672c\u8a9e\u306e\u6587", "\u3042\u30fc", "\u30ab\u3099",
    "\u0645\u0631\u062d\u0628\u0627", "\u0645\u064e\u0631\u0652", "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", "\u200fabc\u200e", "\u202eabc\u202c", "\u0417\u0434\u0440\u0430\u0432", "\U0002f800", "\U00020000",
    # symbols and emoji
    "!", "!!", "!!!", "?!", "...", "\u2026", " ...", "a...b", "--", "\u2014", "a_b", "__init__", "a-b", "a/b\\c", "#$%&", "@user", "$10", "50%", "(a)", "[1]", "{}", "a!b", "!a", " !a", "_a", "-a",
    "\U0001F600", "a\U0001F600", "\U0001F600a", FAMILY, f" {FAMILY} ", "\U0001F44D\U0001F3FD", "\U0001F1E9\U0001F1EA", "\u2764\ufe0f", "1\ufe0f\u20e3", "\U0001F3F4\U000E0067\U000E0062\U000E007F", "\u00a9\u00ae\u2122", "\u20ac5", "\u221a2", "\u0000",
    # control characters, private and unassigned, the replacement character
    "\u0000!", "a\u0000b", "\u0001\u0002", "\u001b[0m", "\u007f", "a\u007fb", "\u0080", "\u009f", "\u00ad", "a\u00adb", "\ue000", "\uffff", "\U0010ffff", "\ufffd", "a\ufffdb", "\ufdd0", "\u0378",
    # the end token
    "<|endoftext|>", "<|endoftext|><|endoftext|>", "a<|endoftext|>b", " <|endoftext|> ", "a <|endoftext|> b", "<|endoftext|", "|endoftext|>",
    "<|ENDOFTEXT|>", "<<|endoftext|>>", "<|endoftext|>\n", "\n<|endoftext|>", "<|end<|endoftext|>oftext|>", "<|endoftext |>", "<pad>", "</s>",
    # the byte symbols themselves, and what a JavaScript object might mistake
    "\u0120a", "\u010a", "\u0100", "\u0120\u0120", "\u0143", "__proto__", "constructor", "toString", "hasOwnProperty 1",
    # code and prose
    "def f(x):\n    return x + 1\n", "if (a) {\n\t\treturn 'b';\r\n}", "http://den.example/~fox?a=1&b=2", "{\"a\": [1, 2.5e-3]}", "a,b;c:d", "<b>bold</b>",
    "The quick brown fox jumps over the lazy dog.", "\"Where are you?\" said the fox.", "One morning, Anna was very hungry.", "I want to say",
    "  indented\n    more\n\ttab", "trailing space ", "trailing newline\n", "x" * 30, "x " * 20, " x" * 20,
    # long runs
    "a" * 300, " " * 100, " " * 100 + "a", "\n" * 50, "1" * 100, "!" * 100, "ab" * 100, "\u00e9" * 60, "\U0001F600" * 20, "\u4e2d" * 50, "a\u0301" * 40,
    "the " * 50, "'s" * 30, "\t" * 33, "\r\n" * 17,
]


def round_trip(tokenizer, ids):
    return tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)


def cut_rows(tokenizer):
    """Ids that start or end inside a character, and other rows that no text gives."""
    last = len(tokenizer) - 1
    rows = [[], [0], [last], [last, last], [0, last, 0], list(range(256)), list(range(255, -1, -1)), [220] * 5]
    for text in ("\u00e9", "\u4e2d", "\U0001F600", FAMILY, "a\u00e9b", "\u4e2d\u6587", "\u20ac5"):
        ids = byte_ids(tokenizer, text)
        for length in range(1, len(ids)):
            rows.append(ids[:length])
            rows.append(ids[length:])
        rows.append(ids[:1] + ids)
        rows.append(ids[:-1] + [64] + ids)
    # Bytes that are never UTF-8: overlong forms, surrogates, above U+10FFFF, stray continuations.
    for raw in (b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xed\xa0\xbd\xed\xb8\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\x80\xbf", b"\xff\xfe",
                b"a\xffb", b"\xf0\x9f\x98", b"\xf0\x9f\x98a", b"\xe4\xb8\xe4\xb8\xad", b"\xf0\x90\x80", b"\xe2\x82a\xac"):
        rows.append([symbol_ids(tokenizer)[byte] for byte in raw])
    return rows


def symbol_ids(tokenizer):
    import small_bpe

    vocabulary = tokenizer.get_vocab()
    return {byte: vocabulary[symbol] for byte, symbol in small_bpe.SYMBOLS.items()}


def byte_ids(tokenizer, text):
    table = symbol_ids(tokenizer)
    return [table[byte] for byte in text.encode("utf-8")]


def record(vocabulary, merges):
    pairs = [tuple(merge.split(" ")) for merge in merges]
    tokenizer = TransformersTokenizer(vocab=vocabulary, merges=pairs)
    keras = GPT2Tokenizer(vocabulary=vocabulary, merges=merges)
    encode = []
    for text in TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False)
        kept = {"text": text, "ids": ids}
        assert round_trip(tokenizer, ids) == text, text
        other = [int(i) for i in keras.tokenize(text)]
        if other != ids:
            kept["kerasHub"] = other
        encode.append(kept)
    decode = []
    for ids in cut_rows(tokenizer):
        text = round_trip(tokenizer, ids)
        assert not ids or keras.detokenize(ids) == text, (ids, text)
        decode.append({"ids": ids, "text": text})
    differing = sum("kerasHub" in kept for kept in encode)
    print(f"{len(encode)} texts, {len(decode)} rows of ids, {differing} texts that KerasHub splits otherwise")
    return {"encode": encode, "decode": decode}


def lines(path):
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#version")]


def main():
    assert len(TEXTS) == len(set(TEXTS)), [t for t in TEXTS if TEXTS.count(t) > 1]
    small = PRESETS / "transformers" / "c_float32"
    assets = SHIPPED / "assets" / "tokenizer"
    content = {
        "small": {
            "vocabulary": "fixtures/presets/transformers/c_float32",
            **record(json.loads((small / "vocab.json").read_text(encoding="utf-8")), lines(small / "merges.txt")),
        }
    }
    if assets.exists():
        content["shipped"] = {
            "vocabulary": "presets/gpt2_tiny_en",
            **record(json.loads((assets / "vocabulary.json").read_text(encoding="utf-8")), lines(assets / "merges.txt")),
        }
    write("tokenizer", content)


if __name__ == "__main__":
    main()

"""Small SentencePiece models of every kind, and the ids and texts that SentencePiece itself gives for hostile input; what
KerasHub's GemmaTokenizer makes of two of them.

Each model is `fixtures/sentencepiece/<name>.spm`; those with one of SentencePiece's own character maps (240 kB) are Brotli-compressed,
`<name>.spm.br`. In `recorded.json` the texts stand once; `ids` has a row for each of them.
"""

import common
from common import FIXTURES, write

import io
import random
from importlib import metadata

import brotli
import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from keras_hub.models import GemmaTokenizer
from record_tokenizer import TEXTS as BYTE_LEVEL_TEXTS

OUT = FIXTURES / "sentencepiece"

# Written for these fixtures.
CORPUS = """The quick brown fox jumps over the lazy dog.
A fox and a dog met near the den, and the fox said: "Where are you going, dog?"
One morning, Anna was very hungry. She went to the kitchen and looked for bread.
It's raining; don't go out, they're not ready. We'll see, said the old man.
Numbers such as 1234567890, 3.14 and 50% are split or not, as the model likes.
Les élèves étaient déjà là, à côté du café où l'on mange des œufs.
Straße und Größe, Übung macht den Meister, sagte der Bär.
Здравствуй, мир! Как твои дела сегодня?
日本語の文章もあります。東京は大きい都市です。
中文也有一些字。
한국어 문장도 있습니다.
def f(x): return x + 1  # a line of code
The dog wants to say that the fox is not so quick as the dog was in the morning.
The the the and and and fox fox fox dog dog dog morning morning hungry hungry.
Banana bandana, can a cab crab nab a nana? A canal, a banal canal.
""".splitlines()

SPACES = ["\n", "\n\n", "\n\n\n", "\t", "\u2581\u2581", "\u2581\u2581\u2581", "\u2581\u2581\u2581\u2581"]
GEMMA = {
    "pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3, "pad_piece": "<pad>", "eos_piece": "<eos>", "bos_piece": "<bos>",
    "unk_piece": "<unk>",
}
IDENTITY = {"normalization_rule_name": "identity"}
SYMBOLS = ["<mask>", "<|im|>", "fox", "foxes", "f", "a b", "\u00e9t", "<s", "\U0001F468\u200d\U0001F469", "\uff21"]

# Rules of our own: one to many, many to one, to nothing, to spaces; one is the beginning of another.
RULES = """41\t61
42\t62 62
43 44\t63
43\t
65 301\tE9
2003\t20
9\t20
A\t20 20
FF21\t61
1F600\t3A 29
2581\t5F
"""

MODELS = {
    "unigram_nmt_nfkc": {"vocab_size": 230},
    "unigram_nmt_nfkc_cf": {"vocab_size": 210, "normalization_rule_name": "nmt_nfkc_cf"},
    "unigram_bytes": {"vocab_size": 480, "byte_fallback": True, "character_coverage": 0.98, "split_digits": True, **IDENTITY},
    "unigram_symbols": {"vocab_size": 240, "user_defined_symbols": SYMBOLS, "control_symbols": ["<cls>", "<sep>", "x"], **IDENTITY},
    "unigram_rules_suffix": {"vocab_size": 200, "treat_whitespace_as_suffix": True, "rules": True},
    "unigram_spaces": {
        "vocab_size": 220, "remove_extra_whitespaces": False, "allow_whitespace_only_pieces": True, "split_by_whitespace": False,
        "unk_surface": "[?]", **IDENTITY,
    },
    "gemma": {
        "model_type": "bpe", "vocab_size": 520, "byte_fallback": True, "add_dummy_prefix": False, "remove_extra_whitespaces": False,
        "allow_whitespace_only_pieces": True, "split_digits": True, "character_coverage": 0.98,
        "user_defined_symbols": ["<mask>", "<start_of_turn>", "<end_of_turn>", *SPACES], **GEMMA, **IDENTITY,
    },
    "bpe": {"model_type": "bpe", "vocab_size": 240, **IDENTITY},
    "bpe_symbols": {
        "model_type": "bpe", "vocab_size": 240, "user_defined_symbols": SYMBOLS, "control_symbols": ["<cls>", "x"], "rules": True,
        "escape_whitespaces": True,
    },
    "word": {"model_type": "word", "vocab_size": 60, **GEMMA, **IDENTITY},
    # KerasHub's example for GemmaTokenizer: <bos> is 1 and <eos> 2, other than in Gemma's own file.
    "gemma_page": {
        "model_type": "word", "vocab_size": 8, "corpus": ["The quick brown fox jumped."], **GEMMA, "bos_id": 1, "eos_id": 2, **IDENTITY,
    },
    "char": {"model_type": "char", "vocab_size": 60, "user_defined_symbols": ["fox", "<mask>"], **IDENTITY},
}
COMPRESSED = ("unigram_nmt_nfkc", "unigram_nmt_nfkc_cf")

TEXTS = BYTE_LEVEL_TEXTS + [
    "\u2581", "\u2581\u2581", "\u2581a", "a\u2581b", " \u2581 ", "\u2581\u2581\u2581\u2581\u2581fox", "_", "a _ b",
    "<0x0A>", "<0x41>", "<0xFF>", "<0x0a>", "<s>", "<s", "<unk>", "<bos>", "<eos>", "<bos>The fox<eos>", "<cls>", "<sep>x", "x", "axb",
    "<mask>", "a<mask>b", " <mask> ", "<<mask>>", "<|im|>", "<|im", "<start_of_turn>user\nfox<end_of_turn>\n",
    "foxes", "fox", "the foxes", "firefoxes ff fff", "a b", "a  b", "xa bx", "\u00e9t\u00e9", "e\u0301te\u0301", "ABCD", "CD", "C", "CC D", "BAB",
    "\u2003a\u2003", "a\u2003 \u2003b", "A\nB\n\nC", "\uff21\uff22\uff23", "\u212b\u00c5", "\u1e9b\u0323", "\ufdfa", "\u3392", "\u0344", "\u0958", "\u2126",
    "\u0130", "\u03a3\u03c2\u03c3", "\u1e9e\u00df", "\ufb03", "\u01c4\u01c5\u01c6", "\u2167", "\u3300", "\u2460\u24b6", "\uffe6", "\u0149", "\u00a8", "\u00b4a",
    "\u1100\u1161", "\u3099", "\u304b\u3099", "\u0f73", "\U0001d15e", "\U0002f801", "\u0340", "\u037e", "\u1fef", "a\u0315\u0300\u05ae\u0300b",
    "The quick brown fox jumps over the lazy dog.", "the quick  brown   fox", " The fox", "The fox ", "banana", "bandana", "canal cab",
    "foxfoxfoxfox", "dogfoxdog", "the\u00a0fox", "the\u200bfox", "the\u00adfox", "\u65e5\u672c\u8a9e\u306e\u6587\u7ae0", "\u6771\u4eac\u90fd\U0001F600\u5e02", "\u0000fox\u0000",
    "\ufffd", "a\ufffd\ufffdb", "0123456789", "1 2 3", "\t\tx\n\n\n\n", "    fox", "a     b", "\u2047", " \u2047 ", "...." * 25, "- " * 40, "nana" * 30,
]
TEXTS = list(dict.fromkeys(text for text in TEXTS if len(text) <= 120))


def train(options):
    options = {"num_threads": 1, "minloglevel": 2, "hard_vocab_limit": False, **options}
    if options.pop("rules", False):
        path = OUT / "rules.tsv"
        path.write_text(RULES, encoding="utf-8")
        options["normalization_rule_tsv"] = str(path)
    file = io.BytesIO()
    corpus = options.pop("corpus", CORPUS)
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(corpus), model_writer=file, **options)
    (OUT / "rules.tsv").unlink(missing_ok=True)
    model = sentencepiece_model_pb2.ModelProto.FromString(file.getvalue())
    model.normalizer_spec.ClearField("normalization_rule_tsv")
    model.trainer_spec.ClearField("user_defined_symbols")
    return model


def changed(models):
    """Models that no trainer writes: unused pieces, a denormalizer, a unigram model without dummy prefix."""
    unused = sentencepiece_model_pb2.ModelProto.FromString(models["bpe"].SerializeToString())
    joined = [piece for piece in unused.pieces if piece.type == 1 and len(piece.piece) > 1]
    for piece in joined[::3]:
        piece.type = sentencepiece_model_pb2.ModelProto.SentencePiece.UNUSED
    for piece in joined[1::4]:
        piece.score = joined[0].score  # Ties, which the leftmost pair wins.
    unigram = sentencepiece_model_pb2.ModelProto.FromString(models["unigram_symbols"].SerializeToString())
    normal = [piece for piece in unigram.pieces if piece.type == 1]
    for piece in normal[::5]:
        piece.type = sentencepiece_model_pb2.ModelProto.SentencePiece.UNUSED
    for piece in normal[1::2]:
        piece.score = -4.5
    unigram.normalizer_spec.add_dummy_prefix = False
    unigram.trainer_spec.unk_surface = ""
    rules = models["unigram_rules_suffix"].normalizer_spec
    unigram.denormalizer_spec.precompiled_charsmap = rules.precompiled_charsmap
    unigram.denormalizer_spec.add_dummy_prefix = False
    unigram.denormalizer_spec.remove_extra_whitespaces = False
    unigram.denormalizer_spec.escape_whitespaces = False
    return {"bpe_unused": unused, "unigram_changed": unigram}


def rows_of_ids(model, processor):
    """Rows of ids that no text gives: drawn from all pieces, from bytes, and those of cut characters."""
    draw = random.Random(5)
    size = len(model.pieces)
    special = [id for id, piece in enumerate(model.pieces) if piece.type in (2, 3)]
    spaces = [id for id, piece in enumerate(model.pieces) if "\u2581" in piece.piece]
    byte = {piece.piece: id for id, piece in enumerate(model.pieces) if piece.type == 6}
    rows = [[], special, special[:1], [*special, *spaces[:3]], spaces[:4], [spaces[0]] * 3, [spaces[0], special[0], spaces[0]]]
    rows += [[special[0], spaces[0]], [spaces[0], *special, spaces[-1]], special * 2]
    rows += [[draw.randrange(size) for _ in range(draw.randrange(1, 12))] for _ in range(30)]
    if byte:
        ids = lambda raw: [byte[f"<0x{b:02X}>"] for b in raw]
        for raw in (b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xed\xa0\xbd\xed\xb8\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80", b"\x80\xbf",
                    b"\xff\xfe", b"a\xffb", b"\xf0\x9f\x98", b"\xf0\x9f\x98a", b"\xe4\xb8\xe4\xb8\xad", b"\xf0\x90\x80", b"\xe2\x82a\xac",
                    b"\xef\xbf\xbd", b"\xe2\x96\x81a", b" ", "\U0001F600\u00e9".encode()):
            rows.append(ids(raw))
            rows.append([spaces[0], *ids(raw), spaces[0]])
            rows.append([*ids(raw[:1]), special[0], *ids(raw[1:])])
        rows += [ids(draw.choices((0x41, 0x80, 0x9F, 0xA0, 0xBF, 0xC3, 0xE2, 0xED, 0xF0, 0xF4), k=9)) for _ in range(20)]
    return rows


def keras_hub(name, texts):
    tokenizer = GemmaTokenizer(proto=(OUT / f"{name}.spm").read_bytes())
    return {
        "model": name,
        "startTokenId": tokenizer.start_token_id,
        "endTokenId": tokenizer.end_token_id,
        "padTokenId": tokenizer.pad_token_id,
        "specialTokenIds": sorted(tokenizer.special_token_ids),
        "vocabularySize": tokenizer.vocabulary_size(),
        "texts": texts,
        "ids": [[int(id) for id in tokenizer(text)] for text in texts],
        "detokenized": [str(tokenizer.detokenize([int(id) for id in tokenizer(text)])) for text in texts],
    }


def main():
    OUT.mkdir(exist_ok=True)
    models = {name: train(options) for name, options in MODELS.items()}
    models.update(changed(models))
    recorded = {}
    for name, model in models.items():
        content = model.SerializeToString()
        if name in COMPRESSED:
            (OUT / f"{name}.spm.br").write_bytes(brotli.compress(content, lgwin=24))
        else:
            (OUT / f"{name}.spm").write_bytes(content)
        processor = sentencepiece.SentencePieceProcessor(model_proto=content)
        recorded[name] = {
            "size": processor.get_piece_size(),
            "ids": [processor.encode(text) for text in TEXTS],
            # null where the text itself comes back.
            "decoded": [None if back == text else back for text, back in ((t, processor.decode(processor.encode(t))) for t in TEXTS)],
            "rows": [{"ids": row, "text": processor.decode(row)} for row in rows_of_ids(model, processor)],
        }
        print(name, len(content), len(model.pieces))
    texts = ["The quick brown fox jumped.", "The fox slept.", "<bos>The fox<eos>", "<start_of_turn>user\nfox  dog<end_of_turn>\n", "\u00e9 \U0001F600"]
    content = {
        "sentencepiece": metadata.version("sentencepiece"),
        "texts": TEXTS,
        "models": recorded,
        "gemmaTokenizer": [keras_hub(name, texts) for name in ("gemma", "gemma_page")],
    }
    write("sentencepiece/recorded", content)


if __name__ == "__main__":
    main()

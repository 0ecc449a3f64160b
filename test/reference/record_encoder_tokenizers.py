"""KerasHub's tokenizers of RoBERTa, XLM-RoBERTa, ALBERT, DeBERTa V3 and FNet on small vocabularies, and its packers and
preprocessors of all seven encoders; RoBERTa's `<mask>` as transformers finds it, and transformers' conversions of the models.

RoBERTa's vocabulary is the presets' small one with other special tokens; the SentencePiece models are trained here and
written to `fixtures/encoders/<name>.spm`. Masking is recorded where nothing is left to chance: every token is selected and
becomes the mask.
"""

import common
from common import FIXTURES, PRESETS, bools, ints, to_numpy, write

import io
import json
import random
import tempfile
from pathlib import Path

import brotli
import keras_hub
import sentencepiece
from keras_hub.layers import MultiSegmentPacker
from tokenizers import Tokenizer
from transformers import AlbertTokenizer, AutoTokenizer, DebertaV2Tokenizer, FNetTokenizer, XLMRobertaTokenizer
from transformers import RobertaTokenizer as TransformersRoberta

from record_sentencepiece import CORPUS

OUT = FIXTURES / "encoders"
LIKE_ALBERT = {
    "pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3, "pad_piece": "<pad>", "unk_piece": "<unk>", "bos_piece": "[CLS]", "eos_piece": "[SEP]",
}
LIKE_DEBERTA = {
    "pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3, "pad_piece": "[PAD]", "unk_piece": "[UNK]", "bos_piece": "[CLS]", "eos_piece": "[SEP]",
}
MODELS = {
    "albert": {"vocab_size": 200, "control_symbols": ["[MASK]"], **LIKE_ALBERT},
    "f_net": {"vocab_size": 180, "user_defined_symbols": ["[MASK]"], **LIKE_ALBERT},
    "deberta_v3": {"vocab_size": 190, "model_type": "bpe", **LIKE_DEBERTA},
    "deberta_v3_mask": {"vocab_size": 190, "user_defined_symbols": ["[MASK]"], **LIKE_DEBERTA},
    "xlm_roberta": {"vocab_size": 210, "unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1},
}
CLASSES = {
    "albert": "Albert", "f_net": "FNet", "deberta_v3": "DebertaV3", "deberta_v3_mask": "DebertaV3", "xlm_roberta": "XLMRoberta",
}
TEXTS = [
    "", " ", "The quick brown fox jumped.", "the  quick\tfox ", "Les \u00e9l\u00e8ves", "\u65e5\u672c\u8a9e", "\U0001F600 fox", "unaffable", "a\u0000b", "\ufb01sh",
    "[CLS] the fox [SEP]", "[MASK]", "the [MASK] fox", "the[MASK]fox", "<s>the</s>", "<mask>", "the <mask> fox", "<pad>", "<unk>", "[UNK][PAD]",
    "\u2581the", "0123456789", "....", "the\u00a0fox", "One morning, Anna was very hungry.",
]
ROBERTA_TEXTS = [
    *TEXTS, " <mask>", "<mask> fox", "fox  <mask>  fox", "fox\n\u3000<mask>", "<mask><mask>", "<mask> <mask>", "</s> <mask>", "<mask>\u00a0<mask>\t<s>",
    "fox </s> fox", "<MASK>", "< mask>", "fox\ufeff<mask>", "fox\u200b<mask>", "fox\x1c<mask>", "fox\u0085<mask>",
]


def model(name):
    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=file, num_threads=1, minloglevel=2, hard_vocab_limit=False,
        normalization_rule_name="identity", **MODELS[name],
    )
    (OUT / f"{name}.spm").write_bytes(file.getvalue())
    return file.getvalue()


def roberta_vocabulary():
    folder = PRESETS / "transformers" / "c_float32"
    small = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    tokens = [token for token in sorted(small, key=small.get) if token != "<|endoftext|>"]
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
    merges = [line for line in lines if line and not line.startswith("#version")]
    return {token: id for id, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", *tokens, "<mask>"])}, merges


def about(tokenizer):
    return {
        "size": tokenizer.vocabulary_size(), "special": sorted(int(id) for id in tokenizer.special_token_ids),
        "start": tokenizer.start_token_id, "end": tokenizer.end_token_id, "pad": tokenizer.pad_token_id, "mask": tokenizer.mask_token_id,
    }


def sentence_pieces(tokenizers):
    recorded = []
    draw = random.Random(11)
    for name in MODELS:
        tokenizer = tokenizers[name]
        size = tokenizer.vocabulary_size()
        ids = [[int(id) for id in tokenizer(text)] for text in TEXTS]
        rows = [row for row in ids if row] + [list(range(8)), [size - 1, size - 2, size - 1]]
        rows += [[draw.randrange(size) for _ in range(6)] for _ in range(8)]
        recorded.append({
            "model": name, "class": CLASSES[name], **about(tokenizer), "ids": ids,
            "rows": [{"ids": row, "text": str(tokenizer.detokenize(row))} for row in rows],
            "tokens": [tokenizer.id_to_token(id) for id in (*range(6), size - 2, size - 1)],
        })
    return recorded


def roberta(keras):
    vocabulary, merges = roberta_vocabulary()
    pairs = [tuple(merge.split(" ")) for merge in merges]
    plain = TransformersRoberta(vocab=vocabulary, merges=pairs)
    with tempfile.TemporaryDirectory() as folder:
        plain.save_pretrained(folder)
        path = Path(folder) / "tokenizer.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        for token in content["added_tokens"]:
            # So it stands in the file of RoBERTa's authors.
            token["lstrip"] = token["content"] == "<mask>"
        path.write_text(json.dumps(content), encoding="utf-8")
        (Path(folder) / "config.json").write_text('{"model_type": "roberta"}')
        stripping = AutoTokenizer.from_pretrained(folder)
        saved = json.dumps({**content, "model": {**content["model"], "vocab": {}, "merges": []}})
    records = []
    for text in ROBERTA_TEXTS:
        record = {
            "text": text, "transformers": plain.encode(text, add_special_tokens=False),
            "lstrip": stripping.encode(text, add_special_tokens=False), "kerasHub": [int(id) for id in keras(text)],
        }
        records.append(record)
    return {**about(keras), "vocabulary": "fixtures/presets/transformers/c_float32", "texts": records, "tokenizerJsonWithoutModel": saved}


def conversions():
    """transformers' own conversions of the models, as it saves them, and the ids it gives with them."""
    classes = {
        "albert": (AlbertTokenizer, "spiece.model", "albert"), "f_net": (FNetTokenizer, "spiece.model", "fnet"),
        "deberta_v3_mask": (DebertaV2Tokenizer, "spm.model", "deberta-v2"),
        "xlm_roberta": (XLMRobertaTokenizer, "sentencepiece.bpe.model", "xlm-roberta"),
        # A character map of SentencePiece's own: its file is a fixture already, and too large to stand here again.
        "unigram_nmt_nfkc": (XLMRobertaTokenizer, "sentencepiece.bpe.model", "xlm-roberta"),
    }
    recorded = []
    for name, (make, file, kind) in classes.items():
        path = OUT / f"{name}.spm"
        compressed = FIXTURES / "sentencepiece" / f"{name}.spm.br"
        content = path.read_bytes() if path.exists() else brotli.decompress(compressed.read_bytes())
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / file).write_bytes(content)
            (Path(folder) / "config.json").write_text(json.dumps({"model_type": kind}))
            make.from_pretrained(folder).save_pretrained(folder)
            saved = json.loads((Path(folder) / "tokenizer.json").read_text(encoding="utf-8"))
            tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
        recorded.append({
            "model": name, "class": CLASSES.get(name, "XLMRoberta"),
            "ids": [tokenizer.encode(text, add_special_tokens=False).ids for text in ROBERTA_TEXTS],
            "tokenizerJson": json.dumps(saved) if path.exists() else None,
        })
    return {"texts": ROBERTA_TEXTS, "records": recorded}


def packers():
    draw = random.Random(17)
    recorded = []
    for truncate in ("round_robin", "waterfall"):
        for _ in range(40):
            segments = tuple(
                [draw.randrange(10, 99) for _ in range(draw.choice((0, 1, 2, 3, 5, 8, 13)))] for _ in range(draw.choice((1, 2, 2, 3, 4)))
            )
            sep = draw.choice(([3], [4, 4], [5, 6, 7]))
            least = 2 + len(sep) * (len(segments) - 1)
            length = least + draw.choice((0, 1, 2, 3, 5, 8, 20))
            pack = MultiSegmentPacker(
                sequence_length=length, start_value=1, end_value=2, sep_value=sep, pad_value=draw.choice((0, 9)), truncate=truncate,
            )
            ids, segment_ids = pack(segments)
            recorded.append({
                "truncate": truncate, "length": length, "sep": sep, "pad": pack.pad_value, "segments": segments,
                "tokenIds": ints(ids), "segmentIds": ints(segment_ids),
            })
    return recorded


BATCH = ["the quick brown fox", "a fox and a dog met near the den", ""]
PAIRS = (["the quick brown fox jumped over the dog", "a"], ["The dog", "a fox and a dog met near the den"])
SETTINGS = [{"sequence_length": 12}, {"sequence_length": 9, "truncate": "waterfall"}, {"sequence_length": 24}]


def arrays(x):
    return {key: bools(value) if key == "padding_mask" else ints(value) for key, value in x.items()}


def preprocessors(tokenizers):
    recorded = []
    for family in ("Bert", "DistilBert", "Roberta", "XLMRoberta", "Albert", "DebertaV3", "FNet"):
        tokenizer = tokenizers[family]
        classifier = getattr(keras_hub.models, f"{family}TextClassifierPreprocessor")
        masked = getattr(keras_hub.models, f"{family}MaskedLMPreprocessor")
        for settings in SETTINGS:
            preprocess = classifier(tokenizer=tokenizer, **settings)
            # A tuple alone would be read as (x, y).
            calls = [("one", BATCH[0], preprocess(BATCH[0])), ("texts", BATCH, preprocess(BATCH))]
            calls.append(("pairs", PAIRS, preprocess(PAIRS, [0, 1])[0]))
            for kind, x, output in calls:
                recorded.append({"family": family, "task": "TextClassifier", "kind": kind, "settings": settings, "x": x, "output": arrays(output)})
        for length in (4, 40):
            settings = {"sequence_length": 24, "mask_selection_rate": 1.0, "mask_token_rate": 1.0, "random_token_rate": 0.0, "mask_selection_length": length}
            if length == 4:
                settings["sequence_length"] = 6
            preprocess = masked(tokenizer=tokenizer, **settings)
            for kind, given in (("one", BATCH[0]), ("texts", BATCH), ("pairs", PAIRS)):
                x, y, weight = preprocess(given, [0, 1]) if kind == "pairs" else preprocess(given)
                recorded.append({
                    "family": family, "task": "MaskedLM", "kind": kind, "settings": settings, "x": given, "output": arrays(x), "y": ints(y),
                    "sampleWeight": to_numpy(weight).tolist(),
                })
    bert = tokenizers["Bert"]
    defaults = keras_hub.models.BertMaskedLMPreprocessor(tokenizer=bert).get_config()
    names = ("sequence_length", "truncate", "mask_selection_rate", "mask_selection_length", "mask_token_rate", "random_token_rate")
    return {"defaults": {name: defaults[name] for name in names}, "records": recorded}


def main():
    OUT.mkdir(exist_ok=True)
    vocabulary, merges = roberta_vocabulary()
    words = json.loads((OUT / "wordpiece.json").read_text())["vocabulary"]
    models = keras_hub.models
    tokenizers = {name: getattr(models, f"{CLASSES[name]}Tokenizer")(proto=model(name)) for name in MODELS}
    tokenizers |= {
        "Bert": models.BertTokenizer(vocabulary=words, lowercase=True), "DistilBert": models.DistilBertTokenizer(vocabulary=words),
        "Roberta": models.RobertaTokenizer(vocabulary=vocabulary, merges=merges),
        "Albert": tokenizers["albert"], "FNet": tokenizers["f_net"], "DebertaV3": tokenizers["deberta_v3"], "XLMRoberta": tokenizers["xlm_roberta"],
    }
    write("encoders/tokenizers", {
        "texts": TEXTS, "sentencePieces": sentence_pieces(tokenizers), "roberta": roberta(tokenizers["Roberta"]),
    })
    write("encoders/conversions", conversions())
    write("encoders/preprocess", {"packers": packers(), **preprocessors(tokenizers)})


if __name__ == "__main__":
    main()

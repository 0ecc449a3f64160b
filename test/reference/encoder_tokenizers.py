"""A small tokenizer for every family of encoders, as KerasHub has it and as transformers has it.

WordPiece has the words below; RoBERTa's is the presets' small BPE; the SentencePiece models are those of
record_encoder_tokenizers.py.
"""

import common
from common import FIXTURES

import json
import string
import tempfile
from pathlib import Path

import keras_hub
import transformers
from record_encoder_tokenizers import roberta_vocabulary
from tokenizers.processors import TemplateProcessing

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = "the a quick brown fox dog lazy jumped slept over and cat again who said morning".split()
PIECES = [*string.ascii_lowercase, *string.digits, *(f"##{letter}" for letter in string.ascii_lowercase)]
ENDS = [f"##{end}" for end in "ed ing s er ly".split()]
WORD_PIECES = list(dict.fromkeys([*SPECIAL, *WORDS, *ENDS, *".,!?;:'\"()-", *PIECES, *(f"word{n}" for n in range(40))]))
# transformers: the class, the file that it reads, and the model_type.
SENTENCE_PIECES = {
    "xlm_roberta": ("XLMRobertaTokenizer", "sentencepiece.bpe.model", "xlm-roberta", "xlm_roberta"),
    "albert": ("AlbertTokenizer", "spiece.model", "albert", "albert"),
    "deberta_v3": ("DebertaV2Tokenizer", "spm.model", "deberta-v2", "deberta_v3_mask"),
    "f_net": ("FNetTokenizer", "spiece.model", "fnet", "f_net"),
}
MOST = 40  # places of the models that have a tokenizer


def keras_tokenizer(name, family):
    cls = getattr(keras_hub.models, f"{family.keras}Tokenizer")
    if name == "roberta":
        vocabulary, merges = roberta_vocabulary()
        return cls(vocabulary=vocabulary, merges=merges)
    if name in SENTENCE_PIECES:
        return cls(proto=str(FIXTURES / "encoders" / f"{SENTENCE_PIECES[name][3]}.spm"))
    return cls(vocabulary=WORD_PIECES, lowercase=True)


def transformers_tokenizer(name):
    if name == "roberta":
        vocabulary, merges = roberta_vocabulary()
        # So the mask stands in the files of RoBERTa's authors.
        mask = transformers.AddedToken("<mask>", lstrip=True, special=True)
        return transformers.RobertaTokenizer(
            vocab=vocabulary, merges=[tuple(merge.split(" ")) for merge in merges], mask_token=mask
        )
    if name in SENTENCE_PIECES:
        cls, file, kind, model = SENTENCE_PIECES[name]
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / file).write_bytes((FIXTURES / "encoders" / f"{model}.spm").read_bytes())
            (Path(folder) / "config.json").write_text(json.dumps({"model_type": kind}))
            tokenizer = getattr(transformers, cls).from_pretrained(folder)
        if name == "f_net":
            tokenizer.add_special_tokens({"mask_token": transformers.AddedToken("[MASK]", lstrip=True, special=True)})
            # So it stands in the file of FNet's authors; transformers' own conversion leaves special tokens out.
            tokenizer._tokenizer.post_processor = TemplateProcessing(
                single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
                special_tokens=[("[CLS]", tokenizer.cls_token_id), ("[SEP]", tokenizer.sep_token_id)],
            )
        return tokenizer
    return transformers.BertTokenizer(vocab={token: id for id, token in enumerate(WORD_PIECES)}, do_lower_case=True)

"""Embeddings of two tiny folders of sentence-transformers: mean pooling with normalization, and the first place without.

Needs sentence-transformers==6.2.0 besides requirements.txt.
"""

from common import PRESETS, floats, write

import shutil

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Normalize, Pooling, Transformer
from transformers import BertConfig, BertModel, BertTokenizerFast

TEXTS = [
    "Mars is often referred to as the Red Planet.",
    "Venus is often called Earth's twin.",
    "Which planet is known as the Red Planet?",
    "fox",
    "",
    "the quick brown fox jumped over the lazy dog, and the lazy dog slept on and on and on and on and on",
    "A naïve café — 東京!",
    "[MASK] is a mask.",
]

PIECES = (
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    + [chr(c) for c in range(33, 127) if not chr(c).isupper()]
    + ["##" + chr(c) for c in range(97, 123)]
    + "the is red planet mars venus often fox dog lazy quick on and as to ##s ##ed ##ing known which earth".split()
)


def make(name, mode, normalize, length):
    folder = PRESETS / "sentence" / name
    shutil.rmtree(folder, ignore_errors=True)
    scratch = folder.with_name(f"{name}_scratch")
    scratch.mkdir(parents=True)
    (scratch / "vocab.txt").write_text("".join(f"{piece}\n" for piece in PIECES), encoding="utf-8")
    torch.manual_seed(len(name))
    model = BertModel(
        BertConfig(
            vocab_size=len(PIECES),
            hidden_size=12,
            num_hidden_layers=2,
            num_attention_heads=3,
            intermediate_size=20,
            max_position_embeddings=40,
        )
    )
    for parameter in model.parameters():
        parameter.data = parameter.data + torch.randn_like(parameter) * 0.2
    model.save_pretrained(scratch)
    BertTokenizerFast(str(scratch / "vocab.txt"), do_lower_case=True, model_max_length=40).save_pretrained(scratch)
    transformer = Transformer(str(scratch), max_seq_length=length)
    steps = [transformer, Pooling(12, pooling_mode=mode)] + ([Normalize()] if normalize else [])
    embedder = SentenceTransformer(modules=steps, device="cpu")
    embedder.save(str(folder), create_model_card=False)
    shutil.rmtree(scratch)
    return {"preset": f"sentence/{name}", "texts": TEXTS, "embeddings": floats(embedder.encode(TEXTS))}


def main():
    cases = [make("mean", "mean", True, 24), make("cls", "cls", False, 32)]
    write("embedder", {"cases": cases})


if __name__ == "__main__":
    main()

"""Make the tiny presets under test/fixtures/presets: one random GPT-2 a letter, in every layout and dtype.

a: 2 layers, 3 heads of 8, vocabulary 97, 32 positions    no tokenizer
b: 1 layer, 1 head of 4, vocabulary 11, 7 positions       no tokenizer
c: 3 layers, 4 heads of 8, vocabulary 420, 48 positions   byte-level BPE of small_bpe.py

The weights of a letter are drawn once, in transformers' layout; float16 and bfloat16 are those weights rounded; KerasHub's
folders are the same weights through KerasHub's own converter.
"""

import common
from common import PRESETS

import json
import shutil

import h5py
import keras
import torch
from keras_hub.models import GPT2CausalLM, GPT2CausalLMPreprocessor, GPT2Tokenizer
from safetensors import safe_open
from transformers import GPT2Config, GPT2LMHeadModel
from transformers import GPT2Tokenizer as TransformersTokenizer

import small_bpe

SIZES = {
    "a": dict(vocab_size=97, n_positions=32, n_embd=24, n_layer=2, n_head=3),
    "b": dict(vocab_size=11, n_positions=7, n_embd=4, n_layer=1, n_head=1),
    "c": dict(vocab_size=small_bpe.SIZE, n_positions=48, n_embd=32, n_layer=3, n_head=4),
}
OFTEN = 271
SEEDS = {"a": 101, "b": 102, "c": 103}
SEQUENCE_LENGTH = 48  # of c's preprocessor: as many as its positions


def random_model(letter):
    """Weights with spread, biases that are not 0 and gains that are not 1: a wrong layout cannot hide."""
    size = SIZES[letter]
    end = size["vocab_size"] - 1
    model = GPT2LMHeadModel(GPT2Config(**size, bos_token_id=end, eos_token_id=end)).eval()
    draw = torch.Generator().manual_seed(SEEDS[letter])
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if "ln_" in name and name.endswith("weight"):
                mean, deviation = 1.0, 0.3
            elif name.endswith("bias"):
                mean, deviation = 0.0, 0.2
            else:
                mean, deviation = 0.0, 0.3
            parameter.copy_(mean + deviation * torch.randn(parameter.shape, generator=draw))
        if letter == "c":
            # A row that wins often: so <|endoftext|> gets chosen, at different places in different texts.
            rows = model.transformer.wte.weight
            rows[[end, OFTEN]] = rows[[OFTEN, end]]
    return model


def tokenizer_files(folder, vocabulary_and_merges, tokenizer_json):
    vocabulary, merges = small_bpe.build()
    if vocabulary_and_merges:
        (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
        (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    if tokenizer_json:
        tokenizer = TransformersTokenizer(vocab=vocabulary, merges=[tuple(m.split(" ")) for m in merges])
        tokenizer.model_max_length = SEQUENCE_LENGTH
        tokenizer.save_pretrained(folder)


def fresh(layout, name):
    folder = PRESETS / layout / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def save_transformers(letter, name, dtype, bare=False, shard=None, vocabulary_and_merges=False, tokenizer_json=False):
    folder = fresh("transformers", name)
    model = random_model(letter).to(dtype)
    (model.transformer if bare else model).save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
    tokenizer_files(folder, vocabulary_and_merges, tokenizer_json)
    return folder


def save_keras(letter, name, dtype="float32", dropout=0.1, shard=10, backbone_only=False):
    source = PRESETS / "transformers" / f"{letter}_float32"
    keras.utils.set_random_seed(0)
    keras.backend.clear_session()  # layer names count from the start again
    preprocessor = None
    if letter == "c":
        vocabulary, merges = small_bpe.build()
        preprocessor = GPT2CausalLMPreprocessor(
            tokenizer=GPT2Tokenizer(vocabulary=vocabulary, merges=merges), sequence_length=SEQUENCE_LENGTH
        )
    model = GPT2CausalLM.from_preset(str(source), dtype=dtype, dropout=dropout, preprocessor=preprocessor)
    folder = fresh("keras", name)
    (model.backbone if backbone_only else model).save_to_preset(str(folder), max_shard_size=shard)
    # The only part that would differ from run to run.
    metadata = json.loads((folder / "metadata.json").read_text())
    metadata["date_saved"] = "2026-01-01@00:00:00"
    (folder / "metadata.json").write_text(json.dumps(metadata, indent=4))
    return folder


def describe(folder):
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as opened:
            for key in opened.keys():
                tensors[key] = [file.name, str(opened.get_slice(key).get_dtype()), opened.get_slice(key).get_shape()]
    for file in sorted(folder.glob("*.weights.h5")):
        with h5py.File(file) as opened:

            def visit(path, node):
                if isinstance(node, h5py.Dataset):
                    dtype = node.attrs["dtype"] if "dtype" in node.attrs else str(node.dtype)
                    tensors[path] = [file.name, dtype, list(node.shape)]

            opened.visititems(visit)
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return {"files": files, "tensors": tensors}


def main():
    f32, f16, bf16 = torch.float32, torch.float16, torch.bfloat16
    folders = [
        save_transformers("a", "a_float32", f32),
        save_transformers("a", "a_float32_sharded", f32, shard="20KB"),
        save_transformers("a", "a_float32_bare", f32, bare=True),
        save_transformers("a", "a_float16", f16),
        save_transformers("a", "a_bfloat16", bf16),
        save_transformers("b", "b_float32", f32),
        save_transformers("c", "c_float32", f32, vocabulary_and_merges=True, tokenizer_json=True),
        save_transformers("c", "c_float16", f16, vocabulary_and_merges=True),
        save_transformers("c", "c_bfloat16", bf16, tokenizer_json=True),
        save_keras("a", "a_float32"),
        save_keras("a", "a_float32_dropout0", dropout=0.0),
        save_keras("a", "a_float32_sharded", shard=2e-5),
        save_keras("a", "a_float32_backbone_only", backbone_only=True),
        save_keras("a", "a_float16", dtype="float16"),
        save_keras("a", "a_bfloat16", dtype="bfloat16"),
        save_keras("b", "b_float32"),
        save_keras("c", "c_float32"),
        save_keras("c", "c_float32_sharded", shard=6e-5),
        save_keras("c", "c_bfloat16", dtype="bfloat16"),
    ]
    common.write("presets", {"presets": {str(f.relative_to(PRESETS)): describe(f) for f in folders}})


if __name__ == "__main__":
    main()

"""Has transformers and KerasHub load what purelm saved; records what they found.

    PURELM_SAVED_FOLDER=/tmp/written npx vitest run test/tasks/saveToPreset.test.ts
    python test/reference/check_saved.py /tmp/written

The test writes every recorded preset anew in both layouts, with the logits and token ids that purelm has. Of each folder in
transformers' layout, transformers loads model and tokenizer (by AutoTokenizer, and by the class of the family), and KerasHub the
backbone where it has a converter; of each in KerasHub's, KerasHub loads the task. Weights must be missing nowhere, ids the same,
and logits as near as two libraries are in float32. What was found goes to test/fixtures/saved.json, with a hash of each folder's
files: the test that reads it writes the same bytes.
"""

import datetime
import json
import sys
from importlib import metadata
from pathlib import Path

import common  # first: selects the backend

import keras_hub
import numpy as np
import torch
import transformers
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

FOLDER = Path(sys.argv[1])
FACTS = json.loads((FOLDER / "expected.json").read_text())
IDS, MASK, PLACES = (np.array(FACTS[name]) for name in ("tokenIds", "paddingMask", "maskPositions"))
MODELS = {
    "causalLM": AutoModelForCausalLM,
    "seq2seqLM": AutoModelForSeq2SeqLM,
    "maskedLM": AutoModelForMaskedLM,
    "textClassifier": AutoModelForSequenceClassification,
    "backbone": AutoModel,
    "embedder": AutoModel,
}
# Families that KerasHub converts from transformers' layout, and the class whose tokenizer it converts too.
CONVERTED = {
    "gpt2": "GPT2", "gemma": "Gemma", "gemma2": "Gemma", "bart": "Bart", "bert": "Bert", "roberta": "Roberta",
    "xlm-roberta": "XLMRoberta", "distilbert": "DistilBert", "albert": "Albert",
}
# The tokenizers' classes, which make parts of tokenizer.json up anew.
CLASSES = {
    "gpt2": "GPT2Tokenizer", "gemma": "GemmaTokenizer", "gemma2": "GemmaTokenizer", "bart": "BartTokenizer",
    "bert": "BertTokenizer", "roberta": "RobertaTokenizer", "xlm-roberta": "XLMRobertaTokenizer",
    "distilbert": "DistilBertTokenizer", "albert": "AlbertTokenizer", "deberta-v2": "DebertaV2Tokenizer", "fnet": "FNetTokenizer",
}
# What purelm computes at padding, or behind it, is KerasHub's in some families; see docs/decisions.md.
REAL = MASK.astype(bool)


def expected(facts):
    return np.array(facts["outputs"], "float32").reshape(facts["shape"])


def distance(kind, ours, theirs):
    """The largest difference, at real places where there are places."""
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    if kind in ("causalLM", "seq2seqLM", "backbone"):
        ours, theirs = ours[REAL], theirs[REAL]
    return float(np.abs(ours - theirs).max())


def pooled(states, folder):
    """What sentence-transformers does with hidden states."""
    steps = json.loads((folder / "modules.json").read_text())
    config = json.loads((folder / "1_Pooling" / "config.json").read_text())
    mask = torch.tensor(MASK[..., None]).float()
    if config["pooling_mode_cls_token"]:
        one = states[:, 0]
    else:
        assert config["pooling_mode_mean_tokens"]
        one = (states * mask).sum(1) / mask.sum(1)
    return torch.nn.functional.normalize(one) if len(steps) == 3 else one


def transformers_loads(folder, facts, kind):
    model, info = MODELS[kind].from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    # Poolers that transformers makes up where nobody reads them, and leaves out where it has none.
    missing = [name for name in info["missing_keys"] if "pooler" not in name or kind not in ("backbone", "embedder")]
    unexpected = [name for name in info["unexpected_keys"] if "pooler" not in name]
    assert not missing and not unexpected and not info["mismatched_keys"], (folder.name, info)
    ids, mask = torch.tensor(IDS), torch.tensor(MASK.astype("int64"))
    inputs = {"input_ids": ids} if model.config.model_type == "fnet" else {"input_ids": ids, "attention_mask": mask}
    if kind == "seq2seqLM":
        inputs |= {"decoder_input_ids": ids, "decoder_attention_mask": mask}
    with torch.no_grad():
        outputs = model.eval()(**inputs)
        if kind in ("backbone", "embedder"):
            found = outputs.last_hidden_state
            found = pooled(found, folder) if kind == "embedder" else found
        else:
            found = outputs.logits
        if kind == "maskedLM":
            found = torch.take_along_dim(found, torch.tensor(PLACES)[..., None], 1)
    return model.config.model_type, distance(kind, expected(facts), found.float().numpy())


def brief(error):
    return f"{type(error).__name__}: {str(error).splitlines()[0][:100]}".replace(str(FOLDER), "")


def same_ids(read, facts):
    """In how many of the texts a tokenizer gives the ids that purelm gives."""
    return sum(list(map(int, read(text))) == own for text, own in zip(FACTS["texts"], facts["ids"]))


def transformers_reads(folder, facts, model_type):
    read = lambda tokenizer: lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]
    found = {"auto": same_ids(read(AutoTokenizer.from_pretrained(folder)), facts)}
    if model_type in CLASSES:
        found["class"] = same_ids(read(getattr(transformers, CLASSES[model_type]).from_pretrained(folder)), facts)
    return found


def keras_inputs(backbone):
    names = {tensor.name for tensor in backbone.inputs}
    every = {
        "token_ids": IDS, "padding_mask": MASK, "segment_ids": np.zeros_like(IDS),
        **{f"{side}_{name}": value for side in ("encoder", "decoder")
           for name, value in (("token_ids", IDS), ("padding_mask", MASK))},
    }
    return {name: value for name, value in every.items() if name in names}


def keras_task(folder, kind):
    base = {"causalLM": "CausalLM", "seq2seqLM": "Seq2SeqLM", "maskedLM": "MaskedLM", "textClassifier": "TextClassifier",
            "embedder": "TextEmbedder"}
    return getattr(keras_hub.models, base[kind]).from_preset(str(folder), dtype="float32")


def keras_outputs(task, kind):
    backbone = task.backbone
    inputs = keras_inputs(backbone)
    if kind in ("causalLM", "seq2seqLM"):
        states = backbone(inputs)
        states = states["decoder_sequence_output"] if isinstance(states, dict) else states
        return backbone.token_embedding(states, reverse=True)
    if kind == "maskedLM":
        return task({**inputs, "mask_positions": PLACES})
    return task(inputs)


def kerashub_loads(folder, facts, kind):
    task = keras_task(folder, kind)
    found = {"distance": distance(kind, expected(facts), common.to_numpy(keras_outputs(task, kind)))}
    if facts["ids"] is not None:
        found["ids"] = same_ids(lambda text: common.to_numpy(task.preprocessor.tokenizer(text)), facts)
    return found


def kerashub_converts(folder, facts, kind, model_type):
    """KerasHub's converters know their own arithmetic alone: what they make of a folder is compared with the body's."""
    name = CONVERTED[model_type]
    try:
        backbone = getattr(keras_hub.models, f"{name}Backbone").from_preset(str(folder), dtype="float32")
    except Exception as error:  # what it cannot convert, it cannot convert of transformers' own folders either
        return {"error": brief(error)}
    found = {"numbers": backbone.count_params()}
    if kind in ("causalLM", "seq2seqLM"):
        class Task:
            pass
        task = Task()
        task.backbone = backbone
        found["distance"] = distance(kind, expected(facts), common.to_numpy(keras_outputs(task, kind)))
    elif kind == "backbone":
        states = backbone(keras_inputs(backbone))
        states = states["sequence_output"] if isinstance(states, dict) else states
        found["distance"] = distance(kind, expected(facts), common.to_numpy(states))
    if facts["ids"] is not None:
        try:
            tokenizer = getattr(keras_hub.models, f"{name}Tokenizer").from_preset(str(folder))
            found["ids"] = same_ids(lambda text: common.to_numpy(tokenizer(text)), facts)
        except Exception as error:  # a file that only transformers' own folders have
            found["ids"] = brief(error)
    return found


def main():
    cases = {}
    for key, facts in FACTS["expected"].items():
        layout, name = key.split("/")
        folder, kind = FOLDER / layout / name, facts["kind"]
        record = {"digest": FACTS["digests"][key]}
        if layout == "transformers":
            model_type, far = transformers_loads(folder, facts, kind)
            record["transformers"] = {"distance": far}
            if facts["ids"] is not None:
                record["transformers"]["ids"] = transformers_reads(folder, facts, model_type)
            if model_type in CONVERTED:
                record["kerasHub"] = kerashub_converts(folder, facts, kind, model_type)
        elif kind != "backbone":
            record["kerasHub"] = kerashub_loads(folder, facts, kind)
        cases[key] = record
        print(key, record)
    result = {
        "madeBy": "test/reference/check_saved.py",
        "date": datetime.date.today().isoformat(),
        "versions": {package: metadata.version(package) for package in common.PACKAGES},
        "texts": len(FACTS["texts"]),
        "cases": cases,
    }
    path = common.FIXTURES / "saved.json"
    path.write_text(common._layout(result) + "\n", encoding="ascii")
    print(f"{path.relative_to(common.ROOT)}: {path.stat().st_size:,} bytes")


main()

"""Tiny Falcons: presets in both layouts, and what KerasHub and transformers compute with them.

presets/transformers/falcon_*: one for each kind that a config can ask for
  a: 2 layers, 3 heads of 4, vocabulary 131, as the 1B model: ALiBi, biases, one block after the other
  c: 1 layer, 4 heads of 4, vocabulary 420, tokenizer.json with Falcon's own split
  multi_query: 3 heads of 4 on 1, rotary, parallel, no biases, as the 7B model
  grouped: 6 heads of 2 on 2, rotary of another base, parallel of two norms, biases, as the 40B model
  one_norm: 4 heads of 6 on 2, rotary, parallel of one norm in the newer layout, an output table of its own, ReLU
  grouped_alibi: 12 heads of 2 on 2, ALiBi whose slopes are no powers of two
  parallel_alibi: 9 heads of 2 on 1, ALiBi, parallel, vocabulary 11
presets/keras/falcon_*: a, c, and b: 1 layer, 5 heads of 5, vocabulary 11, layer_norm_epsilon 0.01, dropout rates above 0

falcon/logits.json, falcon/score.json, falcon/generate.json, falcon/training.json, falcon/lora.json (and lora.lora.h5),
falcon/tokenizer.json. transformers is run with sdpa: its eager attention adds ALiBi twice.
"""

import common
from common import FIXTURES, PRESETS, bools, floats, ints, to_numpy, write

import json
import re
import shutil

import keras
import keras_hub
import numpy as np
import torch
from keras_hub.models import FalconBackbone, FalconCausalLM, FalconCausalLMPreprocessor, FalconTokenizer
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import FalconConfig, FalconForCausalLM

import record_tokenizer
import small_bpe

ALIBI = dict(alibi=True, multi_query=False, parallel_attn=False, bias=True)
NEWER = dict(new_decoder_architecture=True, multi_query=False)
KINDS = {
    "a": dict(vocab_size=131, hidden_size=12, num_hidden_layers=2, num_attention_heads=3, ffn_hidden_size=20, **ALIBI),
    "c": dict(vocab_size=small_bpe.SIZE, hidden_size=16, num_hidden_layers=1, num_attention_heads=4, ffn_hidden_size=24, **ALIBI),
    "multi_query": dict(vocab_size=131, hidden_size=12, num_hidden_layers=2, num_attention_heads=3, ffn_hidden_size=20),
    "grouped": dict(vocab_size=131, hidden_size=12, num_hidden_layers=1, num_attention_heads=6, num_kv_heads=2, bias=True,
                    rope_parameters={"rope_type": "default", "rope_theta": 500.0}, layer_norm_epsilon=1e-3, **NEWER),
    "one_norm": dict(vocab_size=31, hidden_size=24, num_hidden_layers=1, num_attention_heads=4, num_kv_heads=2, ffn_hidden_size=20,
                     num_ln_in_parallel_attn=1, tie_word_embeddings=False, activation="relu", **NEWER),
    "grouped_alibi": dict(vocab_size=31, hidden_size=24, num_hidden_layers=1, num_attention_heads=12, num_kv_heads=2,
                          ffn_hidden_size=20, alibi=True, **NEWER),
    "parallel_alibi": dict(vocab_size=11, hidden_size=18, num_hidden_layers=1, num_attention_heads=9, ffn_hidden_size=20, alibi=True,
                           activation="gelu_pytorch_tanh"),
}
SEEDS = {kind: 301 + i for i, kind in enumerate(KINDS)}
OFTEN = 4  # the token %, in the vocabulary of small_bpe
STOP = 82  # the token s
SEQUENCE_LENGTH = 40


def random_model(kind):
    """Weights with spread, biases that are not 0 and gains that are not 1: a wrong layout cannot hide."""
    end = KINDS[kind]["vocab_size"] - 1
    config = FalconConfig(**KINDS[kind], bos_token_id=end, eos_token_id=end, attn_implementation="sdpa")
    model = FalconForCausalLM(config).eval()
    draw = torch.Generator().manual_seed(SEEDS[kind])
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            is_norm = "ln_" in name or "layernorm" in name
            mean, deviation = (1.0, 0.3) if is_norm and name.endswith("weight") else (0.0, 0.2 if name.endswith("bias") else 0.4)
            parameter.copy_(mean + deviation * torch.randn(parameter.shape, generator=draw))
        if kind == "c":
            # A row that wins often: so <|endoftext|> gets chosen, at different places in different texts.
            rows = model.transformer.word_embeddings.weight
            rows[[end, OFTEN]] = rows[[OFTEN, end]]
    return model


def fresh(layout, name):
    folder = PRESETS / layout / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def falcon_tokenizer():
    """A tokenizer with the pre_tokenizer that the 7B model's tokenizer.json has."""
    vocabulary, merges = small_bpe.build()
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[tuple(merge.split(" ")) for merge in merges]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Punctuation(behavior="contiguous"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        pre_tokenizers.Digits(individual_digits=False),
        pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), behavior="isolated"),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(small_bpe.END, special=True, normalized=False)])
    return tokenizer


def save_transformers(kind, dtype="float32"):
    folder = fresh("transformers", f"falcon_{kind}_{dtype}")
    random_model(kind).to(getattr(torch, dtype)).save_pretrained(folder)
    if kind == "c":
        falcon_tokenizer().save(str(folder / "tokenizer.json"), pretty=False)


def save_keras(letter):
    keras.utils.set_random_seed(0)
    keras.backend.clear_session()  # layer names count from the start again
    if letter == "b":
        sizes = dict(vocabulary_size=11, hidden_dim=25, num_layers=1, num_attention_heads=5, intermediate_dim=10,
                     layer_norm_epsilon=0.01, attention_dropout_rate=0.1, feedforward_dropout_rate=0.2)
    else:
        kind = KINDS[letter]
        sizes = dict(vocabulary_size=kind["vocab_size"], hidden_dim=kind["hidden_size"], num_layers=kind["num_hidden_layers"],
                     num_attention_heads=kind["num_attention_heads"], intermediate_dim=kind["ffn_hidden_size"])
    backbone = FalconBackbone(**sizes)
    if letter == "b":
        draw = np.random.default_rng(41)
        for variable in backbone.weights:
            mean, deviation = (1.0, 0.3) if variable.path.endswith("gamma") else (0.0, 0.4)
            variable.assign(draw.normal(mean, deviation, variable.shape).astype("float32"))
    else:
        give_weights(backbone, random_model(letter))
    preprocessor = None
    if letter == "c":
        vocabulary, merges = small_bpe.build()
        preprocessor = FalconCausalLMPreprocessor(
            tokenizer=FalconTokenizer(vocabulary=vocabulary, merges=merges), sequence_length=SEQUENCE_LENGTH
        )
    folder = fresh("keras", f"falcon_{letter}_float32")
    FalconCausalLM(backbone=backbone, preprocessor=preprocessor).save_to_preset(str(folder))
    # The only part that would differ from run to run.
    metadata = json.loads((folder / "metadata.json").read_text())
    metadata["date_saved"] = "2026-01-01@00:00:00"
    (folder / "metadata.json").write_text(json.dumps(metadata, indent=4))


def give_weights(backbone, model):
    """transformers' weights to KerasHub's layers; rows of query_key_value are one head's query, key and value after another."""
    n, h = backbone.num_attention_heads, backbone.hidden_dim
    state = {name.removeprefix("transformer."): value.detach() for name, value in model.state_dict().items()}

    def norm(layer, name):
        layer.gamma.assign(state[f"{name}.weight"])
        layer.beta.assign(state[f"{name}.bias"])

    def dense(layer, name):
        layer.kernel.assign(state[f"{name}.weight"].T)
        layer.bias.assign(state[f"{name}.bias"])

    backbone.token_embedding.embeddings.assign(state["word_embeddings.weight"])
    for i, layer in enumerate(backbone.transformer_layers):
        norm(layer.input_layernorm, f"h.{i}.input_layernorm")
        norm(layer.post_attention_layernorm, f"h.{i}.post_attention_layernorm")
        weight = state[f"h.{i}.self_attention.query_key_value.weight"].view(n, 3, h // n, h)
        bias = state[f"h.{i}.self_attention.query_key_value.bias"].view(n, 3, h // n)
        attention = layer.attention_layer
        for part, own in enumerate((attention.query_dense, attention.key_dense, attention.value_dense)):
            own.kernel.assign(weight[:, part].permute(2, 0, 1))
            own.bias.assign(bias[:, part])
        dense(attention.output_dense, f"h.{i}.self_attention.dense")
        dense(layer.dense_h_to_4h, f"h.{i}.mlp.dense_h_to_4h")
        dense(layer.dense_4h_to_h, f"h.{i}.mlp.dense_4h_to_h")
    norm(backbone.final_layernorm, "ln_f")


def lengths_mask(width, lengths):
    return [[1] * n + [0] * (width - n) for n in lengths]


def cases(size, names):
    draw = np.random.default_rng(size)

    def ids(rows, width):
        return draw.integers(0, size, (rows, width)).tolist()

    made = [
        ("one", ids(1, 1), [[1]]),
        ("right", ids(2, 7), lengths_mask(7, [7, 3])),
        ("left", ids(2, 5), [[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]]),
        ("holes", ids(2, 6), [[1, 0, 1, 1, 0, 1], [0, 1, 0, 0, 1, 1]]),
        ("nothing", ids(2, 3), [[0, 0, 0], [1, 1, 1]]),
        ("long", ids(1, 300), [[1] * 300]),
    ]
    return [{"name": name, "tokenIds": token_ids, "paddingMask": mask} for name, token_ids, mask in made if name in names]


def keras_model(name, **options):
    return FalconCausalLM.from_preset(str(PRESETS / "keras" / name), preprocessor=None, dtype="float32", **options)


def transformers_model(name):
    path = str(PRESETS / "transformers" / name)
    return FalconForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="sdpa").eval()


def logits_of(model, case):
    with torch.no_grad():
        if isinstance(model, FalconCausalLM):
            return to_numpy(model({"token_ids": np.array(case["tokenIds"], "int32"),
                                   "padding_mask": np.array(case["paddingMask"], "int32")}))
        return to_numpy(model(input_ids=torch.tensor(case["tokenIds"]),
                              attention_mask=torch.tensor(case["paddingMask"])).logits)


MOST, FEW = ("one", "right", "left", "holes", "nothing"), ("right", "left")
# Which cases each preset is recorded with, and by which other preset of the other layout the same is computed.
LOGITS = {
    "keras/falcon_a_float32": (MOST, "transformers/falcon_a_float32"),
    "keras/falcon_b_float32": (MOST, None),
    "keras/falcon_c_float32": (("one",), "transformers/falcon_c_float32"),
    "transformers/falcon_a_float32": (FEW, None),
    "transformers/falcon_a_float16": (("right",), None),
    "transformers/falcon_a_bfloat16": (("right",), None),
    "transformers/falcon_c_float32": (("one",), None),
    "transformers/falcon_multi_query_float32": (FEW, None),
    "transformers/falcon_grouped_float32": (FEW, None),
    "transformers/falcon_one_norm_float32": (MOST, None),
    "transformers/falcon_grouped_alibi_float32": (MOST, None),
    "transformers/falcon_parallel_alibi_float32": ((*MOST, "long"), None),
}


def model_of(preset):
    layout, name = preset.split("/")
    return keras_model(name) if layout == "keras" else transformers_model(name)


def record_logits():
    records = []
    for preset, (names, other) in LOGITS.items():
        model = model_of(preset)
        size = model.backbone.vocabulary_size if isinstance(model, FalconCausalLM) else model.config.vocab_size
        kept = []
        for case in cases(size, names):
            got = logits_of(model, case)
            attends = np.cumsum(np.array(case["paddingMask"]), axis=-1) > 0
            if other is not None:
                far = np.abs(got - logits_of(model_of(other), case))[attends].max()
                assert far < 2e-5, (preset, case["name"], far)
            kept.append({**case, "logits": floats(got)})
        records.append({"preset": preset, "cases": kept})
    write("falcon/logits", {"records": records})


def record_score():
    """What score() would be if KerasHub's Falcon had one: its layers one after the other."""
    model = keras_model("falcon_a_float32")
    backbone = model.backbone
    losses_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")
    records = []
    for case in cases(131, ("right", "left")):
        token_ids, mask = np.array(case["tokenIds"], "int32"), torch.tensor(case["paddingMask"])
        target_ids = np.roll(token_ids, -1, axis=1)

        def score(fn=lambda x, i: x):
            x = fn(backbone.token_embedding(token_ids), -1)
            for i, layer in enumerate(backbone.transformer_layers):
                x = fn(layer(x, decoder_padding_mask=mask), i)
            logits = backbone.token_embedding(backbone.final_layernorm(x), reverse=True)
            return logits, losses_of(target_ids, logits)

        seen = []

        def watch(x, index):
            seen.append(x.detach().requires_grad_(True) if index == -1 else x)
            return seen[-1]

        logits, losses = score(watch)
        assert np.abs(to_numpy(logits) - logits_of(model, case)).max() < 1e-6
        gradient = torch.autograd.grad(losses.sum(), seen[0])[0]
        records.append({
            **case, "targetIds": ints(target_ids),
            "hiddenStates": [floats(to_numpy(x)) for x in seen],
            "loss": floats(to_numpy(losses)),
            "embeddingGradientOfSummedLoss": floats(to_numpy(gradient)),
            "interventions": [
                {"layer": layer, "multiplyBy": by,
                 "loss": floats(to_numpy(score(lambda x, i: x * by if i == layer else x)[1]))}
                for layer, by in ((-1, 0.5), (0, 0.0), (1, -1.5))
            ],
        })
    write("falcon/score", {"preset": "keras/falcon_a_float32", "cases": records})


def plain(value):
    if isinstance(value, dict):
        return {"token_ids": ints(value["token_ids"]), "padding_mask": bools(value["padding_mask"])}
    return value


def gap_of(logits, token_ids, written):
    """The least distance from the best logit to the second best, where a token was chosen."""
    logits = logits[:, :-1]
    best, second = np.sort(logits, axis=-1)[..., :-3:-1].transpose(2, 0, 1)
    written = written[:, 1:] & (logits.argmax(-1) == token_ids[:, 1:])
    return round(float((best - second)[written].min()), 4) if written.any() else None


def record_generate():
    lm = FalconCausalLM.from_preset(str(PRESETS / "keras" / "falcon_c_float32"), dtype="float32")
    bare = keras_model("falcon_a_float32")
    own = falcon_tokenizer()
    ragged = ["again and", "The hen replied,", "a", "The quick brown fox"]
    records = []

    def record(model, preset, name, inputs, **options):
        model.compile(sampler="greedy")
        arrays = {k: np.array(v, "int32") for k, v in inputs.items()} if isinstance(inputs, dict) else inputs
        result = model.generate(arrays, **options)
        if isinstance(inputs, dict):
            packed, raw = arrays, result
        else:
            texts = [inputs] if isinstance(inputs, str) else inputs
            for text in texts:  # KerasHub splits as Llama 3 does; these come out the same with Falcon's own split
                assert own.encode(text).ids == model.preprocessor.tokenizer(text).tolist(), text
            packed = model.preprocessor.generate_preprocess(texts, sequence_length=options.get("max_length"))
            stop = options.get("stop_token_ids", [model.preprocessor.tokenizer.end_token_id])
            raw = model.make_generate_function()({k: to_numpy(v) for k, v in packed.items()}, stop_token_ids=stop)
        token_ids = to_numpy(raw["token_ids"]).astype("int32")
        with torch.no_grad():
            logits = to_numpy(model({"token_ids": token_ids, "padding_mask": np.ones_like(token_ids)}))
        gap = gap_of(logits, token_ids, ~to_numpy(packed["padding_mask"]).astype(bool))
        # Rounding moves a logit of these models by about 1e-5; a record that it could change is no judge.
        assert gap is None or gap >= 5e-4, (name, gap)
        records.append({"name": name, "preset": preset, "inputs": plain(inputs), "options": options, "result": plain(result),
                        "smallestGap": gap})

    c, a = "keras/falcon_c_float32", "keras/falcon_a_float32"
    record(lm, c, "one string", "The old", max_length=20)
    record(lm, c, "a string, length by default", "again and")
    record(lm, c, "a ragged batch", ragged, max_length=24)
    for text in ragged:
        record(lm, c, f"its row alone: {text}", text, max_length=24)
    record(lm, c, "no stop ids", "again and", max_length=30, stop_token_ids=None)
    record(lm, c, "stop ids", ragged, max_length=24, stop_token_ids=[STOP, 419])
    record(lm, c, "strip_prompt", ragged, max_length=24, strip_prompt=True)
    rows = [[55, 8], [77, 10, 13], [40], [66, 9, 21, 67, 3]]
    prompt = {"token_ids": [row + [0] * (16 - len(row)) for row in rows],
              "padding_mask": [[1] * len(row) + [0] * (16 - len(row)) for row in rows]}
    record(bare, a, "tokens, ragged", prompt, stop_token_ids=None)
    record(bare, a, "no free place", {"token_ids": [[50, 37, 92, 18]] * 2, "padding_mask": [[1, 1, 1, 1]] * 2}, stop_token_ids=None)

    samplers = {
        "beam 2": keras_hub.samplers.BeamSampler(num_beams=2),
        "beam 4": keras_hub.samplers.BeamSampler(num_beams=4),
        "contrastive": keras_hub.samplers.ContrastiveSampler(k=4, alpha=0.5),
    }
    searched = []
    for name, sampler in samplers.items():
        lm.compile(sampler=sampler)
        for inputs in ("The old", ["again and", "a"]):
            searched.append({"sampler": name, "preset": c, "inputs": inputs, "maxLength": 16,
                             "result": lm.generate(inputs, max_length=16)})

    texts = []
    for preset in LOGITS:
        layout, name = preset.split("/")
        if layout == "keras":
            continue
        model = transformers_model(name)
        ids = torch.tensor([[3, 7, 1]])
        with torch.no_grad():
            out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=17, do_sample=False, eos_token_id=None,
                                 pad_token_id=0)
            logits = to_numpy(model(input_ids=out).logits)
        written = np.ones(out.shape, bool)
        written[:, :3] = False
        texts.append({"preset": preset, "prompt": ids[0].tolist(), "tokenIds": out[0].tolist(),
                      "smallestGap": gap_of(logits, to_numpy(out), written)})
    write("falcon/generate", {"sampler": "greedy", "records": records, "searched": searched, "transformers": texts})


def own_path(variable):
    """The path of a variable among purelm's parameters."""
    made = []
    for part in variable.path.split("/"):
        layer = re.fullmatch(r"transformer_layer_(\d+)", part)
        camel = re.sub(r"_([a-z0-9])", lambda found: found.group(1).upper(), part)
        made.append(f"transformerLayers[{layer.group(1)}]" if layer else camel)
    return ".".join(made)


def batch():
    draw = np.random.default_rng(11)
    token_ids = draw.integers(0, 131, (3, 7)).astype("int32")
    mask = np.array(lengths_mask(7, [7, 4, 1]), "int32")
    return {"token_ids": token_ids, "padding_mask": mask}, np.roll(token_ids, -1, axis=1), mask.astype("float32")


def example():
    x, y, weight = batch()
    return {"tokenIds": ints(x["token_ids"]), "paddingMask": bools(x["padding_mask"]), "y": ints(y), "sampleWeight": weight.tolist()}


def history_of(model, optimizer, epochs):
    model.compile(optimizer=optimizer)
    x, y, weight = batch()
    history = model.fit(x, y, sample_weight=weight, batch_size=3, epochs=epochs, shuffle=False, verbose=0).history
    return {key: [float(value) for value in values] for key, values in history.items()}


def record_training():
    x, y, weight = batch()
    model = keras_model("falcon_a_float32")
    loss = model.compute_loss(x=x, y=torch.tensor(y), y_pred=model(x), sample_weight=torch.tensor(weight))
    loss.backward()
    others = []
    for name in ("falcon_multi_query_float32", "falcon_grouped_float32"):
        other = transformers_model(name)
        logits = other(input_ids=torch.tensor(x["token_ids"]).long(), attention_mask=torch.tensor(x["padding_mask"])).logits
        losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.tensor(y).long().flatten(), reduction="none")
        total = (losses * torch.tensor(weight).flatten()).sum() / losses.numel()
        total.backward()
        others.append({"preset": f"transformers/{name}", "loss": total.item(), "gradients": {
            key: floats(to_numpy(value.grad)) for key, value in other.named_parameters()}})
    write("falcon/training", {
        "preset": "keras/falcon_a_float32", **example(), "loss": float(loss),
        "gradients": {own_path(v): floats(to_numpy(v.value.grad)) for v in model.trainable_variables},
        "transformers": others,
        "runs": [
            {"optimizer": {"name": "sgd", "learningRate": 0.5},
             "history": history_of(keras_model("falcon_a_float32"), keras.optimizers.SGD(0.5), 5)},
            {"optimizer": {"name": "adam", "learningRate": 0.01},
             "history": history_of(keras_model("falcon_a_float32"), keras.optimizers.Adam(0.01), 5)},
        ],
    })


RANK = 2


def lora_model():
    """The preset with LoRA, both factors drawn from a seed, so that all of the arithmetic shows."""
    model = keras_model("falcon_a_float32")
    model.backbone.enable_lora(RANK)
    draw = np.random.default_rng(31)
    for variable in model.trainable_variables:
        if "lora_kernel" in variable.path:
            variable.assign(draw.normal(0, 0.3, variable.shape).astype("float32"))
    return model


def lora_steps(optimizer):
    model = lora_model()
    history = history_of(model, optimizer, 3)
    return {"loss": history["loss"], "trained": {own_path(v): floats(to_numpy(v.value)) for v in model.trainable_variables}}


def record_lora():
    model = lora_model()
    layers = [layer.name for layer in model.backbone._flatten_layers(include_self=False) if layer.weights]
    write("falcon/lora", {
        "preset": "keras/falcon_a_float32", "rank": RANK, "layers": layers,
        "loraLayers": [int(index) for index in model.backbone._lora_enabled_layers],
        "trainable": {own_path(v): list(v.shape) for v in model.trainable_variables},
        **example(),
        "logits": floats(to_numpy(model(batch()[0]))),
        "runs": [
            {"optimizer": {"name": "sgd", "learningRate": 0.5}, **lora_steps(keras.optimizers.SGD(0.5))},
            {"optimizer": {"name": "adam", "learningRate": 0.01}, **lora_steps(keras.optimizers.Adam(0.01))},
        ],
    })
    model.backbone.save_lora_weights(str(FIXTURES / "falcon" / "lora.lora.h5"))


# Where Falcon's split and GPT-2's differ: punctuation, white space before it, digits, and bytes that look like numbers.
MORE_TEXTS = [
    "a!b", "a !b", "a  !", "!  a", " !", "  !!", "it's 's", "a's b", "(a)(b)", "a...b", "$1+2=3", "<a>", "`x`", "^~|", "a\n!", "!\na", "\t!",
    "12", "123", "1234", "12345", "123456", "1234567", " 1", " 12", " 123", " 1234", "a123b", "1 234 567", "3.14159", "1,234,567.89",
    "\u043c\u0438\u0440", "\u043c", "12\u00bd3456", "\u00bd6789", "x\u00b2y", "\u00b3\u00b9\u00bc\u00be", "\u00f2", "\u00f21", "1\u00f2", "\u00f2123",
    "\u0663\u0664\u0665", "\u0661\u066212", "\uff11\uff12\uff13\uff14", "\u2460\u2461\u2462", "\u00a1\u00bf", "\u2014a", "a\u2014b", "\u3001\u3002", " \u3001", "\u00ab a \u00bb", "\u201cq\u201d",
    "\u20ac5", "\u00a35", "\u00b1 2", "\u2190!", "!\u2190", "\U0001F600!", "!\U0001F600", " \U0001F600", "\u0301!", "_\u0301", "\u00b7\u2027", "\u055a\u0589",
    "\u2e18\u2e42", "\u2e43\u2e4f\u2e5d", "\U00010ead\U00010f55", "\U00011b00!", "\U0001e5ff.",
]


def record_tokenizer_ids():
    tokenizer = falcon_tokenizer()
    texts = [*record_tokenizer.TEXTS, *(text for text in MORE_TEXTS if text not in record_tokenizer.TEXTS)]
    encode = []
    for text in texts:
        ids = tokenizer.encode(text).ids
        assert tokenizer.decode(ids, skip_special_tokens=False) == text, text
        encode.append({"text": text, "ids": ids})
    # Characters by which Unicode's versions differ about punctuation, and their neighbours.
    codes = [*range(0x2e40, 0x2e60), *range(0x2010, 0x2030), 0x61D, 0x9FD, 0xA76, 0xC77, 0xC84, 0x166D, 0x166E, 0x1B4E, 0x1B7D, 0x1B7F,
             0x10EAD, 0x10F55, 0x10F59, 0x111C9, 0x111C8, 0x1144B, 0x1145A, 0x11660, 0x11B00, 0x11C41, 0x12FF1, 0x1E5FF, 0x1E95E, 0xFF0A,
             0x3001, 0xA1, 0xA7, 0xB6, 0xB7, 0xBF, 0x24, 0x2B, 0x5E, 0x60, 0x7C, 0x7E]
    texts = [f"a{chr(code)}b !{chr(code)}1 {chr(code)}" for code in codes]
    split = [[text, [piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)]] for text in texts]
    write("falcon/tokenizer", {"preset": "transformers/falcon_c_float32", "encode": encode, "split": split})


def main():
    for kind in KINDS:
        save_transformers(kind)
    save_transformers("a", "float16")
    save_transformers("a", "bfloat16")
    for letter in "abc":
        save_keras(letter)
    (FIXTURES / "falcon").mkdir(exist_ok=True)
    record_logits()
    record_score()
    record_generate()
    record_training()
    record_lora()
    record_tokenizer_ids()


if __name__ == "__main__":
    main()

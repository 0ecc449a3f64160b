"""The families of encoders as the recording scripts see them: a new one joins by an entry in FAMILIES.

Sizes are odd ones: 3 heads of 4, 131 tokens, 16 places, or as many as encoder_tokenizers.py has, where folders have a tokenizer:
KerasHub's classifier, transformers' masked LM and classifier. Each kind of folder has a size of its own, so that each proves
something: `masked_lm` is of two layers, `text_classifier` of one. transformers' configs say what KerasHub's cannot: another
epsilon, another activation, more token types, another padding id.
"""

from dataclasses import dataclass, field

LENGTH = 11
CLASSES = 5


@dataclass(frozen=True)
class Family:
    """`keras` and `transformers` are what class names begin with; transformers is None where it is recorded elsewhere."""

    keras: str
    transformers: str | None
    # What KerasHub's backbone takes, and what it takes otherwise by kind of task.
    keras_sizes: dict
    keras_kinds: dict = field(default_factory=dict)
    # What transformers' config takes, and what it takes otherwise by kind of folder.
    config: dict = field(default_factory=dict)
    config_kinds: dict = field(default_factory=dict)
    # What KerasHub's classifier takes besides the number of classes.
    classifier: dict = field(default_factory=dict)
    # The id of padding in KerasHub's rows; in transformers' it is the config's.
    padding: int = 0
    segments: int | None = None
    has_padding_mask: bool = True
    # Whether KerasHub's backbone has one: transformers' own may have one that nobody reads.
    has_pooler: bool = False
    # Storage besides float32: dtype -> layout.
    dtypes: dict = field(default_factory=dict)


SIZES = dict(vocabulary_size=131, num_layers=2, num_heads=3, hidden_dim=12, intermediate_dim=10, max_sequence_length=16)
CONFIG = dict(vocab_size=131, num_hidden_layers=2, num_attention_heads=3, hidden_size=12, intermediate_size=10,
              max_position_embeddings=16)
ONE_LAYER = dict(text_classifier=dict(num_layers=1))
ONE_HIDDEN_LAYER = dict(text_classifier=dict(num_hidden_layers=1), backbone=dict(num_hidden_layers=1))

FAMILIES = {
    "bert": Family(
        keras="Bert", transformers="Bert", segments=2, has_pooler=True,
        keras_sizes=SIZES, keras_kinds=ONE_LAYER,
        config=dict(CONFIG, layer_norm_eps=1e-3), config_kinds=ONE_HIDDEN_LAYER,
        dtypes=dict(float16="transformers", bfloat16="keras"),
    ),
    "roberta": Family(
        keras="Roberta", transformers="Roberta", padding=1,
        keras_sizes=SIZES, keras_kinds=ONE_LAYER,
        config=dict(CONFIG, max_position_embeddings=18, type_vocab_size=3, layer_norm_eps=1e-3, hidden_act="gelu_new"),
        config_kinds=ONE_HIDDEN_LAYER,
    ),
    "xlm_roberta": Family(
        keras="XLMRoberta", transformers="XLMRoberta", padding=1,
        classifier=dict(hidden_dim=7, activation="softmax", dropout=0.3),
        keras_sizes=SIZES, keras_kinds=ONE_LAYER,
        config=dict(CONFIG, max_position_embeddings=18, type_vocab_size=1, layer_norm_eps=1e-5),
        config_kinds=dict(ONE_HIDDEN_LAYER, backbone=dict(num_hidden_layers=1, max_position_embeddings=21, pad_token_id=4)),
    ),
    "distil_bert": Family(
        keras="DistilBert", transformers="DistilBert",
        keras_sizes=SIZES, keras_kinds=ONE_LAYER,
        config=dict(vocab_size=131, n_layers=2, n_heads=3, dim=12, hidden_dim=10, max_position_embeddings=16, activation="relu"),
        config_kinds=dict(text_classifier=dict(n_layers=1), backbone=dict(n_layers=1, sinusoidal_pos_embds=True)),
    ),
    "albert": Family(
        keras="Albert", transformers="Albert", segments=2, has_pooler=True,
        keras_sizes=dict(SIZES, num_layers=3, embedding_dim=8, num_groups=1, num_inner_repetitions=2),
        keras_kinds=dict(text_classifier=dict(num_layers=4, num_groups=2, num_inner_repetitions=1)),
        config=dict(CONFIG, num_hidden_layers=4, embedding_size=8, num_hidden_groups=2, inner_group_num=2, hidden_act="gelu",
                    layer_norm_eps=1e-3),
        config_kinds=dict(backbone=dict(num_hidden_layers=2, num_hidden_groups=1, inner_group_num=1)),
    ),
    # A length of 11 reaches beyond the 3 nearest buckets to each side.
    "deberta_v3": Family(
        keras="DebertaV3", transformers="DebertaV2",
        keras_sizes=dict(SIZES, bucket_size=6), keras_kinds=ONE_LAYER,
        config=dict(CONFIG, relative_attention=True, position_buckets=6, norm_rel_ebd="layer_norm", share_att_key=True,
                    pos_att_type="p2c|c2p", position_biased_input=False, type_vocab_size=0, layer_norm_eps=1e-3,
                    hidden_act="gelu_new", pooler_hidden_act="relu"),
        # The names of heads from pretraining; places counted from another length than that of the texts.
        config_kinds=dict(masked_lm=dict(legacy=False), text_classifier=dict(num_hidden_layers=1),
                          backbone=dict(num_hidden_layers=1, max_relative_positions=9, position_buckets=4)),
        dtypes=dict(bfloat16="transformers"),
    ),
    "f_net": Family(
        keras="FNet", transformers="FNet", segments=4, has_pooler=True, has_padding_mask=False,
        keras_sizes={key: value for key, value in SIZES.items() if key != "num_heads"}, keras_kinds=ONE_LAYER,
        config=dict({key: value for key, value in CONFIG.items() if key != "num_attention_heads"}, layer_norm_eps=1e-3,
                    hidden_act="gelu", pad_token_id=0),
        config_kinds=ONE_HIDDEN_LAYER,
        dtypes=dict(float16="keras"),
    ),
}

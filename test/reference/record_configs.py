"""Record the config.json that transformers writes of every family: its defaults, and a classifier's.

DeBERTa V3 has no class of its own: the fields that make a V3 of a deberta-v2 are set as in its released configs.
"""

from common import write

import json
import tempfile
from pathlib import Path

from transformers import AutoConfig

V3 = dict(
    relative_attention=True,
    position_buckets=256,
    norm_rel_ebd="layer_norm",
    share_att_key=True,
    pos_att_type=["p2c", "c2p"],
    position_biased_input=False,
)
FAMILIES = {
    "gpt2": {}, "bart": {}, "bert": {}, "albert": {}, "distilbert": {}, "roberta": {}, "xlm-roberta": {},
    "deberta-v2": V3, "fnet": {}, "falcon": {}, "gemma": {}, "gemma2": {},
}


def saved(family, **options):
    with tempfile.TemporaryDirectory() as folder:
        AutoConfig.for_model(family, **options).save_pretrained(folder)
        return json.loads((Path(folder) / "config.json").read_text())


configs = []
for family, options in FAMILIES.items():
    configs.append(saved(family, **options))
    configs.append(
        saved(family, **options, num_labels=3, problem_type="single_label_classification", output_hidden_states=True)
    )
write("configs", {"configs": configs})

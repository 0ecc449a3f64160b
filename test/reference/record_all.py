"""Run every recording script, the presets first (the others read them)."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = (
    "presets", "logits", "generate", "beam", "preprocess", "samplers", "tokenizer", "falcon", "sentencepiece", "wordpiece", "encoder_tokenizers", "shipped", "training", "callbacks", "fit", "lora", "gemma", "bart", "embedder", "encoders", "encoder_training", "configs", "quantize",
)

for name in SCRIPTS:
    subprocess.run([sys.executable, f"record_{name}.py"], cwd=Path(__file__).parent, check=True)

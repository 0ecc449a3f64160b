"""ONNX graphs of transformers' BertModel with mean pooling: bert.onnx, as torch.onnx.export writes it, and, where onnxruntime is
installed, bert_fused.onnx, by its optimizer for transformers (Attention, SkipLayerNormalization, BiasGelu).

Choices from the environment: BENCH_BERT (a folder with model.safetensors and config.json, to which the graphs go).
"""

import os
import tempfile
from pathlib import Path

import torch
from torch_encoder import Embedder, case

folder = Path(os.environ["BENCH_BERT"])
embedder = Embedder(folder, attention="eager")
config = embedder.bert.config
names = {"input_names": ["ids", "mask"], "output_names": ["embeddings"]}


def fuse():
    """The optimizer knows attention as the older exporter writes it alone."""
    try:
        from onnxruntime.transformers import optimizer
        from onnxruntime.transformers.fusion_options import FusionOptions
    except ImportError:
        return
    with tempfile.TemporaryDirectory() as scratch:
        exported = f"{scratch}/bert.onnx"
        torch.onnx.export(embedder, case(config.vocab_size), exported, dynamo=False, opset_version=17, **names)
        fused = optimizer.optimize_model(
            exported,
            model_type="bert",
            num_heads=config.num_attention_heads,
            hidden_size=config.hidden_size,
            opt_level=0,
            optimization_options=FusionOptions("bert"),
        )
    counts = fused.get_fused_operator_statistics()
    if counts["Attention"] != config.num_hidden_layers:
        raise RuntimeError(f"expected {config.num_hidden_layers} fused attentions, got {counts}")
    fused.save_model_to_file(str(folder / "bert_fused.onnx"))


with torch.no_grad():
    program = torch.onnx.export(embedder, case(config.vocab_size), dynamo=True, opset_version=18, **names)
    fuse()
# Last: that it is there means that all is done.
program.save(folder / "bert.onnx", external_data=False)

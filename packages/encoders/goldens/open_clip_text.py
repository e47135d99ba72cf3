"""Reference values of an open_clip model whose text tower is a BERT of Hugging Face, as BiomedCLIP's is: tiny, random weights.

`generate.py` calls `open_clip_text_golden()`.
"""

import json
import tempfile
from pathlib import Path

import open_clip
import torch
from common import array, write
from transformers import BertConfig
from vision import images, nhwc, SMALL, stir


def tower_golden(pooler, projection):
    torch.manual_seed(17)
    bert = BertConfig(
        vocab_size=13, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12,
        max_position_embeddings=10, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, pad_token_id=0,
    )
    config = {
        "embed_dim": 4,
        "vision_cfg": {"image_size": 12, "layers": 1, "width": 8, "patch_size": 4, "head_width": 4, "mlp_ratio": 1.5},
        "text_cfg": {
            "hf_model_name": "", "hf_tokenizer_name": "", "hf_model_pretrained": False,
            "hf_proj_type": projection, "hf_pooler_type": pooler, "context_length": 6,
        },
    }
    with tempfile.TemporaryDirectory() as folder:
        bert.save_pretrained(folder)
        saved = json.loads((Path(folder) / "config.json").read_text())
        config["text_cfg"]["hf_model_name"] = folder
        model = open_clip.CustomTextCLIP(**config).eval()
    config["text_cfg"]["hf_model_name"] = config["text_cfg"]["hf_tokenizer_name"] = "tiny-bert"
    stir(model)
    ids = torch.tensor([[2, 5, 7, 5, 12, 3], [2, 9, 3, 0, 0, 0]])
    last = []
    hook = model.text.transformer.register_forward_hook(lambda _, __, out: last.append(out.last_hidden_state))
    text = model.encode_text(ids)
    hook.remove()
    pictures = images(3, SMALL)
    return {
        "config": {"model_cfg": config}, "bert": saved,
        "state": {name: array(tensor) for name, tensor in model.state_dict().items()},
        "ids": ids.tolist(), "mask": (ids != 0).int().tolist(),
        "last": array(last[0]), "text": array(text),
        "images": nhwc(pictures), "image": array(model.encode_image(pictures)),
    }


def open_clip_text_golden():
    # The first is BiomedCLIP's kind: no pooler, two maps behind the first token.
    write("open-clip-text.json", {
        "mlp": tower_golden("cls_last_hidden_state_pooler", "mlp"),
        "linear": tower_golden("cls_pooler", "linear"),
    })

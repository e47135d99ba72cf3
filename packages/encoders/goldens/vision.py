"""Reference values of the vision transformers and of the ResNets that other libraries name differently.

`generate.py` calls `vision_goldens()`. The models are those of timm, Hugging Face and open_clip themselves, tiny and with
random weights. Hugging Face's arrays carry the names that `save_pretrained` writes; `inMemory` maps to them the names that
transformers 5 has in memory.
"""

import json
import tempfile
from pathlib import Path

import open_clip
import timm
import torch
from common import array, shake, weigh, write
from safetensors.torch import load_file
from timm.layers import resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer
from transformers import (
    CLIPConfig, CLIPModel, Dinov2Config, Dinov2Model, ResNetConfig, ResNetModel, ViTConfig, ViTForImageClassification,
)

SMALL = (12, 12)
"""Three by three patches of four pixels: what the models are made for."""
OTHER = (20, 8)


def images(channels, size):
    return torch.randn(2, channels, *size)


def nhwc(tensor):
    return array(tensor.permute(0, 2, 3, 1))


def stir(model):
    """Every array large enough that a mistake in its place shows."""
    shake(model)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.dim() > 1 and tensor.dtype.is_floating_point:
                tensor.copy_(0.3 * torch.randn_like(tensor))


def run(model, forward, pictures, only=""):
    """Outputs, and the gradient of a functional of all tokens (and of the projection) in every parameter."""
    model.zero_grad()
    out = forward(pictures)
    loss = weigh(out["tokens"]) + (weigh(out["projected"]) if "projected" in out else 0)
    loss.backward()
    gradients = {name: array(p.grad) for name, p in model.named_parameters() if p.grad is not None and only in name}
    return {"images": nhwc(pictures), **{name: array(value) for name, value in out.items()}, "gradients": gradients}


def saved(model):
    """The arrays that save_pretrained writes, the configuration beside them, and the names in memory of each."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        state = load_file(Path(folder) / "model.safetensors")
        config = json.loads((Path(folder) / "config.json").read_text())
    names = {
        name: next(other for other, value in state.items() if value.shape == tensor.shape and torch.equal(value, tensor))
        for name, tensor in model.state_dict().items()
        if "position_ids" not in name
    }
    return {name: array(t) for name, t in state.items()}, config, names


def timm_golden(seed, **options):
    torch.manual_seed(seed)
    sizes = dict(img_size=SMALL, patch_size=4, embed_dim=8, depth=2, num_heads=2, mlp_ratio=2)
    model = VisionTransformer(**sizes, num_classes=0, global_pool="token", dynamic_img_size=True, **options).eval()
    stir(model)
    forward = lambda x: {"tokens": model.forward_features(x)}
    return {
        "state": {name: array(t) for name, t in model.state_dict().items()},
        "small": run(model, forward, images(3, SMALL)),
        "other": run(model, forward, images(3, OTHER), only="pos_embed"),
    }


def hugging_face_golden(seed, model, forward):
    torch.manual_seed(seed)
    model.eval()
    stir(model)
    state, config, names = saved(model)
    result = {"state": state, "config": config, "inMemory": names}
    for key, size, only in (("small", SMALL, ""), ("other", OTHER, "position_embedding")):
        result[key] = run(model, forward, images(3, size), only)
        result[key]["gradients"] = {names[name]: g for name, g in result[key]["gradients"].items()}
    return result


def vit_golden():
    torch.manual_seed(11)
    config = ViTConfig(
        hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, image_size=12, patch_size=4,
        initializer_range=0.3,
    )
    model = ViTForImageClassification(config)
    forward = lambda x: {"tokens": model.vit(x, interpolate_pos_encoding=True).last_hidden_state}
    return hugging_face_golden(11, model, forward)


def dinov2_golden():
    torch.manual_seed(12)
    config = Dinov2Config(
        hidden_size=8, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=12, patch_size=4,
        initializer_range=0.3,
    )
    model = Dinov2Model(config)
    return hugging_face_golden(12, model, lambda x: {"tokens": model(x).last_hidden_state})


def clip_golden():
    torch.manual_seed(13)
    sizes = dict(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16)
    model = CLIPModel(CLIPConfig(
        vision_config=dict(**sizes, image_size=12, patch_size=4),
        text_config=dict(**sizes, vocab_size=9, max_position_embeddings=6, bos_token_id=1, eos_token_id=2),
        projection_dim=5,
    ))
    tower = model.vision_model

    def forward(x):
        out = tower(x, interpolate_pos_encoding=True)
        # Only the class token is normalised there; the tokens here are all of them, as in open_clip.
        return {"tokens": tower.post_layernorm(out.last_hidden_state), "projected": model.visual_projection(out.pooler_output)}

    return hugging_face_golden(13, model, forward)


def open_clip_golden():
    torch.manual_seed(14)
    config = {
        "embed_dim": 5,
        "quick_gelu": True,
        "vision_cfg": {"image_size": 12, "layers": 2, "width": 8, "patch_size": 4, "head_width": 4, "mlp_ratio": 2.0},
        "text_cfg": {"context_length": 6, "vocab_size": 9, "width": 8, "heads": 2, "layers": 1},
    }
    model = open_clip.CLIP(**config).eval()
    stir(model)
    visual = model.visual
    visual.output_tokens = True

    def forward(x):
        projected, patches = visual(x)
        first = []
        hook = visual.ln_post.register_forward_hook(lambda _, __, out: first.append(out))
        visual(x)
        hook.remove()
        return {"tokens": first[0], "projected": projected}

    state = {name: array(t) for name, t in model.state_dict().items()}
    return {"config": {"model_cfg": config}, "state": state, "small": run(model, forward, images(3, SMALL))}


def timm_tower_golden():
    """A CLIP whose image tower is timm's, as BiomedCLIP's is: names and projection only."""
    with torch.device("meta"):
        tower = open_clip.timm_model.TimmModel("vit_small_patch32_224", 5, pool="", proj="linear")
    return {name: list(t.shape) for name, t in tower.state_dict().items()}


def resample_golden():
    torch.manual_seed(15)
    cases = []
    for old, new in (((3, 3), (5, 2)), ((7, 7), (4, 7)), ((14, 14), (6, 9)), ((1, 1), (2, 3)), ((5, 5), (1, 16))):
        grid = torch.randn(1, old[0] * old[1], 2)
        as_map = grid.reshape(1, *old, 2).permute(0, 3, 1, 2)
        plain = torch.nn.functional.interpolate(as_map, size=new, mode="bicubic", align_corners=False)
        antialiased = resample_abs_pos_embed(grid, list(new), list(old), num_prefix_tokens=0)
        cases.append({
            "from": old, "to": new, "grid": array(grid),
            "huggingface": array(plain.permute(0, 2, 3, 1)), "timm": array(antialiased),
        })
    return cases


def hugging_face_resnet_golden(layer_type, **options):
    torch.manual_seed(16)
    sizes = [6, 8] if layer_type == "basic" else [16, 24]
    model = ResNetModel(ResNetConfig(embedding_size=4, hidden_sizes=sizes, depths=[1, 2], layer_type=layer_type, **options))
    model.eval()
    shake(model)
    pictures = images(3, (33, 26))
    out = model(pictures, output_hidden_states=True)
    weigh(out.pooler_output).backward()
    state, config, names = saved(model)
    return {
        "config": config, "state": state, "images": nhwc(pictures), "features": [nhwc(f) for f in out.hidden_states[1:]],
        "pooled": array(out.pooler_output.flatten(1)),
        "gradients": {names[name]: array(p.grad) for name, p in model.named_parameters()},
    }


def counts():
    """Parameters of timm's models without a head."""
    with torch.device("meta"):
        models = {n: timm.create_model(n, num_classes=0) for n in ("vit_small_patch16_224", "vit_base_patch16_224", "vit_large_patch16_224")}
        names = {n: list(t.shape) for n, t in models["vit_small_patch16_224"].state_dict().items()}
        resnet = {n: list(t.shape) for n, t in timm.create_model("resnet50").state_dict().items()}
    return {"parameters": {n: sum(p.numel() for p in m.parameters()) for n, m in models.items()}, "vitSmall": names, "resnet50": resnet}


def vision_goldens():
    write("vit-timm.json", timm_golden(9))
    write("vit-timm-clip.json", timm_golden(10, pre_norm=True, act_layer="quick_gelu", init_values=0.5, qkv_bias=False))
    write("vit-huggingface.json", vit_golden())
    write("vit-dinov2.json", dinov2_golden())
    write("vit-clip.json", clip_golden())
    write("vit-open-clip.json", open_clip_golden())
    write("vit-resample.json", resample_golden())
    write("vit-names.json", {**counts(), "timmTower": timm_tower_golden()})
    write("resnet-huggingface-basic.json", hugging_face_resnet_golden("basic", downsample_in_first_stage=True))
    write("resnet-huggingface-bottleneck.json", hugging_face_resnet_golden("bottleneck", downsample_in_bottleneck=True))

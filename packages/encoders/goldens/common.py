"""What the reference generators of this package share."""

import json
from pathlib import Path

import torch

here = Path(__file__).resolve().parent
digits = 7


def numbers(tensor):
    return [float(f"{x:.{digits}g}") for x in tensor.detach().double().flatten().tolist()]


def array(tensor):
    return {"shape": list(tensor.shape), "data": numbers(tensor)}


def write(name, value):
    (here / name).write_text(json.dumps(value, separators=(",", ":"), ensure_ascii=True) + "\n")


def weigh(tensor):
    """A fixed linear functional, so that every output matters differently: sum of x_i * sin(i + 1)."""
    flat = tensor.flatten()
    return (flat * torch.sin(torch.arange(1, flat.numel() + 1, dtype=flat.dtype))).sum()


def shake(model):
    """Parameters and running statistics away from their symmetric initial values."""
    scales = ("bn1.weight", "bn2.weight", "bn3.weight", "LayerNorm.weight", "normalization.weight")
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.dtype.is_floating_point:
                if "running_var" in name or name.endswith(scales):
                    tensor.copy_(0.5 + torch.rand_like(tensor))
                elif tensor.dim() == 1:
                    tensor.copy_(0.3 * torch.randn_like(tensor))

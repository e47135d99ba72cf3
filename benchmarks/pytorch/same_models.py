"""Losses and gradients of small models from given weights: JSON on stdin and stdout, see src/same-models.ts."""

import json
import sys

import torch

from encoders import Bert, ResNet, VisionTransformer
from paper_plan import PaperPlan

WIDTHS = (4, 8, 8, 16)


def build(name, s):
    bert = lambda: Bert(s["vocabulary"], 16, s["layers"], 2, 24, 32, dropout=0.0)
    resnet = lambda: ResNet((1, 1, 1, 1), WIDTHS)
    if name == "resnet":
        return resnet()
    if name == "bert":
        return bert()
    if name == "vit":
        return VisionTransformer(32, 8, 16, 2, 2)
    return PaperPlan(resnet(), bert(), channels=(4 * WIDTHS[2], 4 * WIDTHS[3]), hidden=16, width=12)


def tensor(entry):
    return torch.tensor(entry["data"]).reshape(entry["shape"])


def loss_of(name, model, images, ids):
    if name == "resnet":
        return (model(images)[-1].mean((2, 3)) ** 2).sum()
    if name == "bert":
        return (model(ids, torch.ones_like(ids, dtype=torch.bool))[1] ** 2).sum()
    if name == "vit":
        return (model(images) ** 2).sum()
    return model.loss(images, ids, noise=False)


def main():
    given = json.load(sys.stdin)
    model = build(given["name"], given["sizes"]).train()
    state = {name: tensor(entry) for name, entry in given["state"].items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not missing and not unexpected, (missing, unexpected)
    images = tensor(given["images"]).permute(0, 3, 1, 2)
    loss = loss_of(given["name"], model, images, tensor(given["ids"]).long())
    loss.backward()
    gradients = {
        name: {"shape": list(p.shape), "data": (torch.zeros_like(p) if p.grad is None else p.grad).flatten().tolist()}
        for name, p in model.named_parameters()
    }
    json.dump({"loss": loss.item(), "gradients": gradients}, sys.stdout)


main()

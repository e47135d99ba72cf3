"""Losses and gradients of small models from given weights: JSON on stdin and stdout, see src/same-models.ts."""

import json
import sys

import torch

from encoders import Bert, ResNet, VisionTransformer
from paper_plan import PaperPlan
from paper_regionmed import PaperRegionMed

WIDTHS = (4, 8, 8, 16)


def build(name, s):
    bert = lambda: Bert(s["vocabulary"], 16, s["layers"], 2, 24, 32, dropout=0.0)
    resnet = lambda: ResNet((1, 1, 1, 1), WIDTHS)
    vit = lambda: VisionTransformer(32, 8, 16, 2, 2)
    if name == "resnet":
        return resnet()
    if name == "bert":
        return bert()
    if name == "vit":
        return vit()
    if name.startswith("regionmed"):
        features = name.split(", ")[1]
        return PaperRegionMed(vit(), bert(), features=features, hidden=(16, 16), width=12, heads=2, margin=0)
    return PaperPlan(resnet(), bert(), channels=(4 * WIDTHS[2], 4 * WIDTHS[3]), hidden=16, width=12)


def tensor(entry):
    return torch.tensor(entry["data"]).reshape(entry["shape"])


def loss_of(name, model, images, ids, captions, boxes):
    if name == "resnet":
        return (model(images)[-1].mean((2, 3)) ** 2).sum()
    if name == "bert":
        return (model(ids, torch.ones_like(ids, dtype=torch.bool))[1] ** 2).sum()
    if name == "vit":
        return (model(images) ** 2).sum()
    if name.startswith("regionmed"):
        whole = torch.tensor([[0.5, 0.5, 1, 1]] * len(boxes))
        return model.loss(images, (whole if "crops" in name else boxes).expand(len(images), -1, -1), ids, captions)
    return model.loss(images, ids, noise=False)


def main():
    given = json.load(sys.stdin)
    model = build(given["name"], given["sizes"]).train()
    state = {name: tensor(entry) for name, entry in given["state"].items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not missing and not unexpected, (missing, unexpected)
    images = tensor(given["images"]).permute(0, 3, 1, 2)
    ids, captions = (tensor(given[name]).long() for name in ("ids", "captions"))
    loss = loss_of(given["name"], model, images, ids, captions, torch.tensor(given["boxes"]))
    loss.backward()
    gradients = {
        name: {"shape": list(p.shape), "data": (torch.zeros_like(p) if p.grad is None else p.grad).flatten().tolist()}
        for name, p in model.named_parameters()
    }
    json.dump({"loss": loss.item(), "gradients": gradients}, sys.stdout)


main()

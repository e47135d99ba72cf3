"""RegionMed-CLIP as configs/paper.yaml describes its joint stage, in PyTorch: shared ViT, BERT, ROI processor, three losses."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from alignment import both_ways
from encoders import Bert, VisionTransformer

TAU, FREQUENCIES, CELLS, SAMPLES = 0.07, 8, 3, 2


class RoiProcessor(nn.Module):
    """Eqs 12–17: queries from ROIs and their boxes, keys and values from the tokens of the image."""

    def __init__(self, width, heads, context):
        super().__init__()
        sizes = {"q_proj": width, "k_proj": context, "v_proj": context, "out_proj": width}
        self.attention = nn.ModuleDict({name: nn.Linear(inputs, width) for name, inputs in sizes.items()})
        self.norm = nn.LayerNorm(width)
        self.box_encoder = nn.ModuleDict({"fc1": nn.Linear(8 * FREQUENCIES, width), "fc2": nn.Linear(width, width)})
        self.heads = heads

    def forward(self, rois, tokens, boxes):
        angles = boxes[..., None] * (math.pi * 2.0 ** torch.arange(FREQUENCIES, device=boxes.device))
        waves = torch.cat([angles.sin(), angles.cos()], -1).flatten(2)
        places = self.box_encoder["fc2"](F.gelu(self.box_encoder["fc1"](waves)))
        split = lambda name, x: self.attention[name](x).unflatten(2, (self.heads, -1)).transpose(1, 2)
        seen = F.scaled_dot_product_attention(
            split("q_proj", rois + places), split("k_proj", tokens), split("v_proj", tokens)
        )
        return F.normalize(self.norm(rois + self.attention["out_proj"](seen.transpose(1, 2).flatten(2))), dim=2)


def expanded(box, side, margin):
    """The square around a box with its margin, in whole pixels, moved into the image."""
    cx, cy, w, h = (float(v) * side for v in box)
    size = min(side, round(max(w, h) * (1 + 2 * margin)))
    left, top = (min(max(round(c - size / 2), 0), side - size) for c in (cx, cy))
    return left, top, size


class PaperRegionMed(nn.Module):
    def __init__(self, vit, bert, *, features, hidden=(768, 768), width=512, heads=8, margin=0.1):
        super().__init__()
        self.image, self.text, self.features, self.margin = vit, bert, features, margin
        heads_of = zip(("image", "text"), hidden)
        self.heads = nn.ModuleDict({name: nn.Linear(inputs, width, bias=False) for name, inputs in heads_of})
        self.roi = RoiProcessor(width, heads, hidden[0])
        self.loss_weights = nn.ParameterDict({name: nn.Parameter(torch.tensor(0.0)) for name in ("global", "roi", "negative")})

    def texts(self, ids):
        states, _ = self.text(ids, torch.ones_like(ids, dtype=torch.bool))
        return F.normalize(self.heads["text"](states[-1][:, 0]), dim=1)

    def crops(self, images, boxes):
        side = images.shape[-1]
        cut = lambda image, left, top, size: F.interpolate(
            image[None, :, top : top + size, left : left + size], (side, side), mode="bilinear", antialias=True
        )
        return torch.cat([cut(image, *expanded(box, side, self.margin)) for image, own in zip(images, boxes) for box in own])

    def aligned(self, patches, boxes):
        """RoIAlign, its cells' mean: samples on the patch grid, clamped to the outer centres."""
        b, r, _ = boxes.shape
        side = math.isqrt(patches.shape[1])
        grid = patches.transpose(1, 2).unflatten(2, (side, side))
        n = CELLS * SAMPLES
        steps = (torch.arange(n, device=boxes.device) + 0.5) / n - 0.5
        x = boxes[..., 0, None] + boxes[..., 2, None] * steps
        y = boxes[..., 1, None] + boxes[..., 3, None] * steps
        places = torch.stack([x[:, :, None].expand(b, r, n, n), y[..., None].expand(b, r, n, n)], -1) * 2 - 1
        samples = F.grid_sample(grid, places.flatten(1, 2), padding_mode="border", align_corners=False)
        return samples.unflatten(2, (r, n)).mean((3, 4)).transpose(1, 2)

    def loss(self, images, boxes, reports, captions):
        """`captions`: those of the images, then k negatives of each."""
        b, r, _ = boxes.shape
        tokens = self.image.tokens(images)
        if self.features == "align":
            features = self.aligned(tokens[:, 1:], boxes)
        else:
            features = self.image.tokens(self.crops(images, boxes))[:, 0].unflatten(0, (b, r))
        image, rois = (F.normalize(self.heads["image"](x), dim=-1) for x in (tokens[:, 0], features))
        fused = self.roi(rois, tokens, boxes)
        text, words = self.texts(reports), self.texts(captions)
        own, negatives = words[:b], words[b:].unflatten(0, (b, -1))
        terms = {
            "global": both_ways(image @ text.T / TAU) / 2,
            "roi": F.cross_entropy(
                (fused.flatten(0, 1) @ own.T) / TAU, torch.arange(b, device=boxes.device).repeat_interleave(r)
            ),
            "negative": F.softplus(torch.einsum("brd,bkd->brk", fused, negatives) / TAU).mean(),
        }
        return sum(0.5 * (-s).exp() * terms[name] + 0.5 * s for name, s in self.loss_weights.items())


def paper_regionmed(vocabulary, features):
    return PaperRegionMed(VisionTransformer(), Bert(vocabulary), features=features)


def paper_optimizer(model):
    """AdamW: matrices and convolutions decay, the rest does not."""
    decays = lambda name, p: p.ndim >= 2 and not name.endswith(("cls_token", "pos_embed"))
    groups = {True: [], False: []}
    for name, p in model.named_parameters():
        groups[decays(name, p)].append(p)
    return torch.optim.AdamW(
        [{"params": groups[True], "weight_decay": 0.02}, {"params": groups[False], "weight_decay": 0.0}], lr=3e-5, fused=True
    )

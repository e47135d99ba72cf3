"""Goldens of the metrics: PyTorch bilinear resizing. Deterministic; writes next to itself."""

import json
from pathlib import Path

import numpy as np
import torch

here = Path(__file__).parent
rng = np.random.default_rng(0)


def write(name, value):
    (here / f"{name}.json").write_text(json.dumps(value) + "\n")


grid = rng.normal(size=(3, 4)).round(4)
resized = torch.nn.functional.interpolate(
    torch.tensor(grid)[None, None], size=(7, 10), mode="bilinear", align_corners=False
)
write(
    "resize",
    {
        "map": {"data": grid.ravel().tolist(), "width": 4, "height": 3},
        "width": 10,
        "height": 7,
        "expected": resized.numpy().ravel().round(6).tolist(),
    },
)

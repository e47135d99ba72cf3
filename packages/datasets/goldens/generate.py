"""Reference values for resizing. Writes resize.json next to this file.

bilinear: torch.nn.functional.interpolate(mode="bilinear", align_corners=False).
area: the exact integral of the piecewise constant image over each output pixel, by interpolating its cumulative sum.
"""

import json
from pathlib import Path

import numpy as np
import torch

rng = np.random.default_rng(0)


def area_axis(x, to, axis):
    x = np.moveaxis(x, axis, 0)
    total = np.concatenate([np.zeros((1, *x.shape[1:])), np.cumsum(x, axis=0)])
    edges = np.linspace(0, x.shape[0], to + 1)
    at = np.apply_along_axis(lambda column: np.interp(edges, np.arange(len(total)), column), 0, total)
    return np.moveaxis(np.diff(at, axis=0) * to / x.shape[0], 0, axis)


def rounded(x):
    return [round(float(v), 6) for v in np.asarray(x).ravel()]


bilinear, area = [], []
for (h, w), (oh, ow) in [((3, 4), (7, 9)), ((16, 16), (23, 31)), ((5, 6), (2, 3)), ((1, 4), (3, 6)), ((4, 1), (5, 2))]:
    x = rng.standard_normal((h, w)).round(4)
    y = torch.nn.functional.interpolate(
        torch.tensor(x)[None, None], size=(oh, ow), mode="bilinear", align_corners=False
    )
    bilinear.append({"from": [h, w], "to": [oh, ow], "input": rounded(x), "output": rounded(y)})
for (h, w), (oh, ow) in [((6, 8), (3, 4)), ((7, 10), (3, 4)), ((11, 5), (9, 5)), ((13, 17), (5, 16))]:
    x = rng.uniform(0, 1, (h, w)).round(4)
    area.append(
        {"from": [h, w], "to": [oh, ow], "input": rounded(x), "output": rounded(area_axis(area_axis(x, oh, 0), ow, 1))}
    )

path = Path(__file__).with_name("resize.json")
path.write_text(json.dumps({"bilinear": bilinear, "area": area}, separators=(",", ":")) + "\n")

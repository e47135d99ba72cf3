"""Values and autograd gradients of the ROI processor, RoIAlign and the crops, in float64 from the libraries that others use:
torch.nn.MultiheadAttention and LayerNorm, torchvision.ops.roi_align, Pillow's resize with a box, torch's grid_sample.

Needs torch, torchvision, numpy and Pillow. Run without arguments; writes one JSON file for each part next to this one.
"""

import json
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torchvision.ops import roi_align

torch.manual_seed(23)
HERE = pathlib.Path(__file__).parent


def leaf(*shape, scale=1.0):
    return (torch.randn(*shape, dtype=torch.float64) * scale).round(decimals=4).requires_grad_(True)


def constant(values):
    return torch.tensor(values, dtype=torch.float64)


def stored(tensor):
    return {"shape": list(tensor.shape), "data": [round(v, 8) for v in tensor.detach().reshape(-1).tolist()]}


def save(name, value):
    path = HERE / f"{name}.json"
    path.write_text(json.dumps(value, separators=(",", ":")) + "\n")
    print(name, path.stat().st_size, "bytes")


def gradients(outputs, learned):
    """Of Σ weight · output with fixed weights: the weights, and the gradient of each leaf."""
    weights = {name: torch.randn_like(y).round(decimals=4) for name, y in outputs.items()}
    total = sum((weights[name] * y).sum() for name, y in outputs.items())
    found = torch.autograd.grad(total, list(learned.values()), allow_unused=True)
    return (
        {name: stored(w) for name, w in weights.items()},
        {name: stored(torch.zeros_like(t) if g is None else g) for (name, t), g in zip(learned.items(), found)},
    )


# The processor ------------------------------------------------------------------------------------------------------
B, R, T, WIDTH, CONTEXT, HEADS, FREQUENCIES = 2, 3, 4, 8, 6, 2, 3
ROI_MASK = [[1, 1, 0], [1, 1, 1]]
CONTEXT_MASK = [[1, 1, 1, 1], [1, 0, 1, 0]]
BOXES = [[[0.5, 0.5, 1, 1], [0.3, 0.25, 0.2, 0.5], [0, 0, 0, 0]], [[0.1, 0.9, 0.2, 0.1], [0.6, 0.4, 0.7, 0.3], [0.5, 0.2, 0.25, 0.25]]]


def box_features(box):
    """Per coordinate: all sines, then all cosines."""
    features = []
    for value in box:
        angles = [math.pi * 2**f * value for f in range(FREQUENCIES)]
        features += [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
    return features


def process(inputs, p, keys, global_token, encoding, output, masked):
    """Sample by sample, padded ROIs and tokens cut away; attention by torch's own module."""
    attention = torch.nn.MultiheadAttention(WIDTH, HEADS, kdim=CONTEXT, vdim=CONTEXT, batch_first=True, dtype=torch.float64)
    own = {
        "q_proj_weight": p["attention.q_proj.weight"].T,
        "k_proj_weight": p["attention.k_proj.weight"].T,
        "v_proj_weight": p["attention.v_proj.weight"].T,
        "in_proj_bias": torch.cat([p[f"attention.{n}_proj.bias"] for n in "qkv"]),
        "out_proj.weight": p["attention.out_proj.weight"].T,
        "out_proj.bias": p["attention.out_proj.bias"],
    }
    fused, weights = [], []
    for n in range(B):
        on = [i for i in range(R) if not masked or ROI_MASK[n][i]]
        first, last = (0, 1) if keys == "global" else (0 if global_token else 1, T)
        seen = [i for i in range(first, last) if not masked or CONTEXT_MASK[n][i]]
        z = inputs["rois"][n, on]
        query = z
        if encoding == "sinusoid":
            waves = constant([box_features(BOXES[n][i]) for i in on])
            hidden = F.gelu(waves @ p["box_encoder.fc1.weight"] + p["box_encoder.fc1.bias"])
            query = z + hidden @ p["box_encoder.fc2.weight"] + p["box_encoder.fc2.bias"]
        if encoding == "index":
            query = z + p["roi_embedding.weight"][on]
        x = inputs["context"][n, seen]
        mixed, a = torch.func.functional_call(attention, own, (query[None], x[None], x[None]), {"average_attn_weights": False})
        y = F.layer_norm(z + mixed[0], (WIDTH,), p["norm.weight"], p["norm.bias"], 1e-5)
        y = F.normalize(y, dim=-1) if output == "unit" else y
        full = torch.zeros(R, WIDTH, dtype=torch.float64).index_put((torch.tensor(on),), y)
        grid = torch.zeros(HEADS, R, last - first, dtype=torch.float64)
        rows, columns = torch.meshgrid(torch.tensor(on), torch.tensor(seen) - first, indexing="ij")
        grid = torch.stack([grid[h].index_put((rows, columns), a[0, h]) for h in range(HEADS)])
        fused.append(full)
        weights.append(grid)
    return {"fused": torch.stack(fused), "attention": torch.stack(weights)}


def processor_parameters(encoding):
    p = {}
    for name, inputs in [("q", WIDTH), ("k", CONTEXT), ("v", CONTEXT), ("out", WIDTH)]:
        p[f"attention.{name}_proj.weight"] = leaf(inputs, WIDTH, scale=0.5)
        p[f"attention.{name}_proj.bias"] = leaf(WIDTH, scale=0.2)
    p["norm.weight"], p["norm.bias"] = leaf(WIDTH), leaf(WIDTH, scale=0.2)
    if encoding == "sinusoid":
        p["box_encoder.fc1.weight"], p["box_encoder.fc1.bias"] = leaf(8 * FREQUENCIES, WIDTH, scale=0.3), leaf(WIDTH, scale=0.2)
        p["box_encoder.fc2.weight"], p["box_encoder.fc2.bias"] = leaf(WIDTH, WIDTH, scale=0.5), leaf(WIDTH, scale=0.2)
    if encoding == "index":
        p["roi_embedding.weight"] = leaf(5, WIDTH)
    return p


cases = []
for keys, global_token, encoding, output, masked in [
    ("patches", True, "sinusoid", "unit", False),
    ("patches", True, "sinusoid", "unit", True),
    ("patches", True, "index", "raw", True),
    ("patches", False, "none", "unit", True),
    ("global", True, "sinusoid", "raw", True),
]:
    p = processor_parameters(encoding)
    inputs = {"rois": leaf(B, R, WIDTH), "context": leaf(B, T, CONTEXT)}
    outputs = process(inputs, p, keys, global_token, encoding, output, masked)
    weights, found = gradients(outputs, inputs | p)
    cases.append(
        {
            "name": f"{keys}{'' if global_token else ' without the global token'}, {encoding}, {output}{', masked' if masked else ''}",
            "options": {
                "width": WIDTH,
                "heads": HEADS,
                "contextWidth": CONTEXT,
                "keys": keys,
                "globalToken": global_token,
                "boxEncoding": encoding,
                "frequencies": FREQUENCIES,
                "maxRois": 5,
                "output": output,
            },
            "masks": {"roiMask": ROI_MASK, "contextMask": CONTEXT_MASK} if masked else {},
            "boxes": BOXES,
            "inputs": {k: stored(v) for k, v in inputs.items()},
            "parameters": {k: stored(v) for k, v in p.items()},
            "outputs": {k: stored(v) for k, v in outputs.items()},
            "weights": weights,
            "gradients": found,
        }
    )
save("processor", cases)

# RoIAlign -----------------------------------------------------------------------------------------------------------
cases = []
for size, samples, aligned, (h, w) in [
    ([2, 2], 2, True, (5, 4)),
    ([3, 2], 1, True, (5, 4)),
    ([2, 3], 3, False, (6, 7)),
    ([2, 2], "adaptive", True, (7, 9)),
    ([7, 7], 2, True, (4, 4)),
]:
    grid = leaf(2, h, w, 2)
    boxes = constant([[[0.5, 0.5, 1, 1], [0.31, 0.42, 0.23, 0.64]], [[0.9, 0.13, 0.2, 0.26], [0.503, 0.8, 0.03, 0.017]]])
    corners = torch.cat([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], -1)
    corners = corners * constant([w, h, w, h])
    out = roi_align(
        grid.permute(0, 3, 1, 2), list(corners), size, sampling_ratio=-1 if samples == "adaptive" else samples, aligned=aligned
    )
    y = out.reshape(2, 2, 2, *size).permute(0, 1, 3, 4, 2)
    weights, found = gradients({"y": y}, {"grid": grid})
    cases.append(
        {
            "name": f"{size[0]}×{size[1]}, {samples} samples, {'aligned' if aligned else 'not aligned'}, grid {h}×{w}",
            "options": {"size": size, "samples": samples, "aligned": aligned},
            "grid": stored(grid),
            "boxes": stored(boxes),
            "y": stored(y),
            "weights": weights["y"],
            "gradient": found["grid"],
        }
    )
save("roi-align", cases)

# Crops --------------------------------------------------------------------------------------------------------------
H, W = 11, 13
image = torch.randn(H, W, dtype=torch.float64).round(decimals=4)
CROPS = [[0.5, 0.5, 1, 1], [0.31, 0.42, 0.23, 0.64], [0.87, 0.15, 0.26, 0.3], [0.5, 0.5, 0.09, 0.95]]


def edges(box):
    cx, cy, w, h = box
    return (cx - w / 2) * W, (cy - h / 2) * H, (cx + w / 2) * W, (cy + h / 2) * H


def pillow(box, size):
    source = Image.fromarray(image.numpy().astype(np.float32), mode="F")
    x0, y0, x1, y1 = edges(box)
    inside = (max(x0, 0), max(y0, 0), min(x1, W), min(y1, H))
    return torch.tensor(np.asarray(source.resize((size[1], size[0]), Image.Resampling.BILINEAR, box=inside)))


def sampled(box, size):
    x0, y0, x1, y1 = edges(box)
    xs = [x0 + (i + 0.5) * (x1 - x0) / size[1] for i in range(size[1])]
    ys = [y0 + (i + 0.5) * (y1 - y0) / size[0] for i in range(size[0])]
    grid = torch.stack(torch.meshgrid(constant(ys) / H * 2 - 1, constant(xs) / W * 2 - 1, indexing="ij"), -1).flip(-1)
    return F.grid_sample(image[None, None], grid[None], mode="bilinear", padding_mode="border", align_corners=False)[0, 0]


save(
    "crops",
    {
        "image": stored(image),
        "boxes": CROPS,
        "crops": [
            {"size": size, "antialias": antialias, "crops": [stored(take(box, size)) for box in CROPS]}
            for size in ([4, 3], [16, 20])
            for antialias, take in ((True, pillow), (False, sampled))
        ],
    },
)

"""Values and autograd gradients of every loss, computed by PyTorch in float64 from the papers' formulas.

Run without arguments; writes losses.json next to this file. Sample by sample and word by word on purpose: nothing here
shares its structure with the TypeScript.
"""

import json
import math
import pathlib

import torch
import torch.nn.functional as F

torch.manual_seed(7)
CASES = []


def leaf(*shape, scale=1.0, offset=0.0):
    values = (torch.randn(*shape, dtype=torch.float64) * scale + offset).round(decimals=4)
    return values.requires_grad_(True)


def scalar(value):
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def constant(values):
    return torch.tensor(values, dtype=torch.float64)


def flat(tensor):
    return {"shape": list(tensor.shape), "data": [round(v, 8) for v in tensor.detach().reshape(-1).tolist()]}


def record(loss, arguments, tensors, options, value, name):
    """arguments: positional tensors, tensors: tensor options, options: plain options; every leaf gets its gradient."""
    total = value.sum()
    everything = {f"argument {i}": t for i, t in enumerate(arguments)} | tensors
    learned = {k: t for k, t in everything.items() if t.requires_grad}
    gradients = torch.autograd.grad(total, list(learned.values()), allow_unused=True)
    CASES.append(
        {
            "name": name,
            "loss": loss,
            "arguments": [flat(t) for t in arguments],
            "tensors": {k: flat(t) for k, t in tensors.items()},
            "options": options,
            "value": flat(value),
            "gradients": {
                k: flat(torch.zeros_like(t) if g is None else g) for (k, t), g in zip(learned.items(), gradients)
            },
        }
    )


def unit(x):
    return F.normalize(x, dim=-1)


WEIGHTS = {"mean": (0.5, 0.5), "sum": (1.0, 1.0), "forward": (1.0, 0.0)}


# InfoNCE ------------------------------------------------------------------------------------------------------------
def info_nce(a, b, tau, directions, positives=None, reduction="mean", normalize=True):
    forward, backward = WEIGHTS[directions]
    u, v = (unit(a), unit(b)) if normalize else (a, b)
    z = u @ v.T / tau
    positives = torch.eye(len(a), dtype=torch.float64) if positives is None else positives

    def one_way(logits, targets):
        rows = []
        for row, target in zip(logits, targets):
            if target.sum() == 0:
                continue
            rows.append(-torch.log(torch.softmax(row, 0)[target > 0].sum()))
        return torch.stack(rows)

    if reduction == "none":
        return forward * one_way(z, positives) + backward * one_way(z.T, positives.T)
    reduce = torch.mean if reduction == "mean" else torch.sum
    return forward * reduce(one_way(z, positives)) + backward * reduce(one_way(z.T, positives.T))


positives = constant([[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [1, 0, 1, 0]])
for directions in ("sum", "mean", "forward"):
    for reduction in ("mean", "sum", "none"):
        a, b, tau = leaf(5, 6), leaf(5, 6), scalar(0.3)
        value = info_nce(a, b, tau, directions, reduction=reduction)
        options = {"directions": directions, "reduction": reduction}
        record("infoNce", [a, b], {"temperature": tau}, options, value, f"{directions} {reduction}")
a, b, tau = leaf(5, 6), leaf(4, 6), scalar(0.2)
value = info_nce(a, b, tau, "sum", positives)
record("infoNce", [a, b], {"temperature": tau, "positives": positives}, {}, value, "multi-positive")
a, b, tau = leaf(5, 3), leaf(5, 3), scalar(0.7)
record("infoNce", [a, b], {"temperature": tau}, {"normalize": False}, info_nce(a, b, tau, "sum", normalize=False), "raw")

# Sigmoid ------------------------------------------------------------------------------------------------------------
for reduction in ("mean", "sum", "none"):
    a, b, tau, bias = leaf(5, 6), leaf(5, 6), scalar(0.2), scalar(-1.5)
    z = unit(a) @ unit(b).T / tau + bias
    signs = 2 * torch.eye(5, dtype=torch.float64) - 1
    rows = -F.logsigmoid(signs * z).sum(1)
    value = {"mean": rows.sum() / 5, "sum": rows.sum(), "none": rows}[reduction]
    record("sigmoidContrastive", [a, b], {"temperature": tau, "bias": bias}, {"reduction": reduction}, value, reduction)

# Local losses -------------------------------------------------------------------------------------------------------
B, L, P, D = 3, 4, 5, 6
WORDS = constant([[1, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]])
KEYWORDS = constant([[1, 0, 1, 0], [0, 1, 1, 1], [0, 0, 0, 0]])
ALL_WORDS = constant([[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 0, 0]])
ALL_KEYWORDS = constant([[1, 0, 1, 0], [0, 1, 1, 1], [1, 0, 0, 0]])
PIXELS = constant([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]])


def indices(mask_row):
    return torch.nonzero(mask_row).flatten().tolist()


def reduce_reports(values, counted, reduction):
    rows = torch.stack(values)
    if reduction == "none":
        return rows
    return rows.sum() / (counted if reduction == "mean" else 1)


def word_region(v, w, word_mask, keywords, tau, negatives, directions, reduction="mean"):
    forward, backward = WEIGHTS[directions]
    v, w = unit(v), unit(w)
    values, counted = [], 0
    valid = [(n, i) for n in range(len(w)) for i in indices(word_mask[n])]
    for n in range(len(w)):
        kept = indices(keywords[n] > 0.5)
        counted += bool(kept)
        total = v.sum() * 0
        for i in indices(word_mask[n]):
            own = v[n, i] @ w[n, i] / tau
            inside = [(n, j) for j in indices(word_mask[n])]
            pool = valid if negatives == "batch" else inside
            if negatives == "pairs":
                every = torch.stack([v[n, j] @ w[n, k] / tau for _, j in inside for _, k in inside])
                f = g = torch.logsumexp(every, 0) - own
            else:
                f = torch.logsumexp(torch.stack([v[n, i] @ w[m, j] / tau for m, j in pool]), 0) - own
                g = torch.logsumexp(torch.stack([v[m, j] @ w[n, i] / tau for m, j in pool]), 0) - own
            total = total + keywords[n, i] * (forward * f + backward * g)
        values.append(total / max(len(kept), 1))
    return reduce_reports(values, counted, reduction)


for negatives in ("report", "pairs", "batch"):
    for directions in ("sum", "forward"):
        v, w, tau = leaf(B, L, D), leaf(B, L, D), scalar(0.4)
        keywords = KEYWORDS.clone().requires_grad_(True)
        value = word_region(v, w, WORDS, keywords, tau, negatives, directions)
        tensors = {"temperature": tau, "wordMask": WORDS, "keywordMask": keywords}
        record("wordRegionLoss", [v, w], tensors, {"negatives": negatives, "directions": directions}, value,
               f"{negatives} {directions}")
v, w = leaf(B, L, D), leaf(B, L, D)
value = word_region(v, w, WORDS, WORDS, 0.1, "report", "mean", "none")
record("wordRegionLoss", [v, w], {"wordMask": WORDS}, {"directions": "mean", "reduction": "none"}, value, "none")


def match(scores, has, tau, directions, reduction):
    """scores[n][m]: report n, image m. Image m chooses among reports that exist; report n among all images."""
    forward, backward = WEIGHTS[directions]
    values = []
    for n in range(len(scores)):
        if not has[n]:
            values.append(scores.sum() * 0)
            continue
        reports = torch.stack([scores[k, n] for k in range(len(scores)) if has[k]]) / tau
        f = torch.logsumexp(reports, 0) - scores[n, n] / tau
        g = torch.logsumexp(scores[n] / tau, 0) - scores[n, n] / tau
        values.append(forward * f + backward * g)
    return reduce_reports(values, sum(has), reduction)


def image_region(words, values, keys, weights, projection, word_mask, keywords, pixel_mask, kind, attention, tau_a,
                 aggregate, tau, directions, reduction):
    b, _, d = words.shape
    scores = []
    for n in range(b):
        row = []
        for m in range(b):
            total, count = words.sum() * 0, max(len(indices(keywords[n] > 0.5)), 1)
            exponentials = words.sum() * 0
            for i in indices(word_mask[n]):
                region = torch.zeros(d, dtype=torch.float64)
                for j in indices(pixel_mask[m]):
                    s = words[n, i] @ keys[m, j] / math.sqrt(d)
                    if kind == "cosine":
                        s = unit(words[n, i]) @ unit(keys[m, j])
                    weight = {"linear": s, "relu": torch.relu(s), "softmax": torch.exp(s / tau_a)}[attention]
                    region = region + weights[m, j] * weight * values[m, j]
                cosine = unit(region @ projection) @ unit(words[n, i])
                total = total + keywords[n, i] * cosine
                exponentials = exponentials + keywords[n, i] * torch.exp(5 * cosine)
            empty = not indices(keywords[n] > 0.5)
            row.append(total / count if aggregate == "mean" else (total * 0 if empty else torch.log(exponentials) / 5))
        scores.append(torch.stack(row))
    has = [bool(indices(row > 0.5)) for row in keywords]
    return match(torch.stack(scores), has, tau, directions, reduction)


for attention, kind, aggregate, directions, reduction, tau_a in [
    ("linear", "scaledDot", "mean", "sum", "mean", 1.0),
    ("softmax", "scaledDot", "mean", "sum", "mean", 0.7),
    ("softmax", "cosine", "mean", "mean", "none", 0.1),
    ("relu", "scaledDot", "mean", "forward", "sum", 1.0),
    ("linear", "cosine", "logsumexp", "sum", "mean", 1.0),
]:
    words, values, keys, projection = leaf(B, L, D), leaf(B, P, D), leaf(B, P, D), leaf(D, D, scale=0.5)
    weights = leaf(B, P, scale=0.1, offset=0.5)
    tau, keywords = scalar(0.3), ALL_KEYWORDS.clone().requires_grad_(True)
    mask, words_on = PIXELS, ALL_WORDS
    if reduction == "none":
        keywords, words_on = KEYWORDS.clone().requires_grad_(True), WORDS
    value = image_region(words, values, keys, weights, projection, words_on, keywords, mask, kind, attention, tau_a,
                         aggregate, tau, directions, reduction)
    tensors = {"keys": keys, "pixelWeights": weights, "projection": projection, "temperature": tau,
               "wordMask": words_on, "keywordMask": keywords, "pixelMask": mask}
    options = {"attention": attention, "similarity": {"kind": kind}, "aggregate": aggregate, "directions": directions,
               "reduction": reduction, "attentionTemperature": tau_a}
    record("imageRegionLoss", [words, values], tensors, options, value, f"{attention} {kind} {aggregate} {reduction}")


def gloria(pixels, words, word_mask, pixel_mask, tau, reduction):
    b = len(words)
    scores = []
    for n in range(b):
        on = indices(word_mask[n])
        if not on:
            scores.append(torch.stack([words.sum() * 0] * b))
            continue
        row = []
        for m in range(b):
            v = pixels[m][indices(pixel_mask[m])]
            w = words[n][on]
            attention = torch.softmax(torch.softmax(v @ w.T, 1).T * 4, 1)
            row.append(torch.log(torch.exp(F.cosine_similarity(w, attention @ v, dim=1) * 5).sum()))
        scores.append(torch.stack(row))
    return match(torch.stack(scores), [bool(indices(r)) for r in word_mask], tau, "sum", reduction)


for name, word_mask, reduction, tau in (("all", ALL_WORDS, "mean", 0.1), ("an empty report", WORDS, "none", 0.5)):
    pixels, words, tau = leaf(B, P, D), leaf(B, L, D), scalar(tau)
    value = gloria(pixels, words, word_mask, PIXELS, tau, reduction)
    record("gloriaLocalLoss", [pixels, words], {"temperature": tau, "wordMask": word_mask, "pixelMask": PIXELS},
           {"reduction": reduction}, value, name)


def token_alignment(patches, words, word_mask, pixel_mask, word_weights, patch_weights, tau, tau_a):
    def side(own, other, weights):
        seen = unit(torch.softmax(own @ other.T / tau_a, 1) @ other)
        z = own @ seen.T / tau
        target = torch.arange(len(own))
        losses = F.cross_entropy(z, target, reduction="none") + F.cross_entropy(z.T, target, reduction="none")
        return (losses / 2 * weights / weights.sum()).sum()

    values = []
    for n in range(len(words)):
        on, seen = indices(word_mask[n]), indices(pixel_mask[n])
        if not on:
            continue
        v, w = unit(patches[n][seen]), unit(words[n][on])
        values.append(side(v, w, patch_weights[n][seen]) + side(w, v, word_weights[n][on]))
    return torch.stack(values).mean()


patches, words, tau = leaf(B, P, D), leaf(B, L, D), scalar(0.2)
word_weights = (torch.rand(B, L, dtype=torch.float64) + 0.1).round(decimals=4)
patch_weights = (torch.rand(B, P, dtype=torch.float64) + 0.1).round(decimals=4)
value = token_alignment(patches, words, WORDS, PIXELS, word_weights, patch_weights, tau, 0.3)
record("tokenAlignmentLoss", [patches, words],
       {"temperature": tau, "wordMask": WORDS, "patchMask": PIXELS, "wordWeights": word_weights,
        "patchWeights": patch_weights}, {"attentionTemperature": 0.3}, value, "masks and weights")

# Soft targets -------------------------------------------------------------------------------------------------------
image_labels = constant([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 1]])
text_labels = constant([[1, 0, 1], [0, 1, 0], [1, 1, 1], [0, 0, 1], [1, 0, 0]])
for kind in ("cosine", "dot"):
    a, b, tau = leaf(4, D), leaf(5, D), scalar(0.15)
    left, right = (unit(image_labels), unit(text_labels)) if kind == "cosine" else (image_labels, text_labels)
    labels = left @ right.T
    z = unit(a) @ unit(b).T / tau
    value = (F.cross_entropy(z, torch.softmax(labels, 1)) + F.cross_entropy(z.T, torch.softmax(labels.T, 1))) / 2
    record("semanticMatchingLoss", [a, b],
           {"temperature": tau, "imageLabels": image_labels, "textLabels": text_labels},
           {"labelSimilarity": kind}, value, kind)

for directions in ("mean", "forward"):
    a, b, tau = leaf(5, D), leaf(5, D), scalar(0.25)
    forward, backward = WEIGHTS[directions]
    target = torch.full((5, 5), 0.3 / 4, dtype=torch.float64).fill_diagonal_(0.7)
    z = unit(a) @ unit(b).T / tau
    value = forward * F.cross_entropy(z, target) + backward * F.cross_entropy(z.T, target)
    record("softTargetContrastive", [a, b], {"temperature": tau}, {"smoothing": 0.3, "directions": directions}, value,
           directions)

# FILIP --------------------------------------------------------------------------------------------------------------
for name, word_mask in (("all", ALL_WORDS), ("an empty text", WORDS)):
    patches, words, tau = leaf(B, P, D), leaf(B, L, D), scalar(0.2)
    has = [bool(indices(r)) for r in word_mask]
    values = []
    image_to_text, text_to_image = {}, {}
    for x in range(B):
        for y in range(B):
            if not has[y]:
                continue
            c = unit(patches[x][indices(PIXELS[x])]) @ unit(words[y][indices(word_mask[y])]).T / tau
            image_to_text[x, y], text_to_image[x, y] = c.max(1).values.mean(), c.max(0).values.mean()
    for n in range(B):
        if not has[n]:
            continue
        f = torch.logsumexp(torch.stack([image_to_text[n, y] for y in range(B) if has[y]]), 0) - image_to_text[n, n]
        g = torch.logsumexp(torch.stack([text_to_image[x, n] for x in range(B)]), 0) - text_to_image[n, n]
        values.append((f + g) / 2)
    record("filipLoss", [patches, words], {"temperature": tau, "wordMask": word_mask, "patchMask": PIXELS}, {},
           torch.stack(values).mean(), name)

# Regions ------------------------------------------------------------------------------------------------------------
R, K = 3, 4
ROIS = constant([[1, 1, 0], [0, 0, 0], [1, 1, 1]])
NEGATIVES = constant([[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 1, 1]])
NO_FINDING = constant([[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]])


def roi_info_nce(rois, captions, roi_mask, ids, tau, backward, reduction):
    def z(i, k, j):
        return unit(rois[i, k]) @ unit(captions[j]) / tau

    valid = [(i, k) for i in range(B) for k in indices(roi_mask[i])]
    images = [i for i in range(B) if indices(roi_mask[i])]
    per_roi, per_caption = {}, {}
    for i, k in valid:
        logits = torch.stack([z(i, k, j) for j in range(B)])
        per_roi[i, k] = -torch.log(torch.softmax(logits, 0)[[j for j in range(B) if ids[j] == ids[i]]].sum())
    for j in images:
        logits = torch.stack([z(i, k, j) for i, k in valid])
        positives = [n for n, (i, _) in enumerate(valid) if ids[i] == ids[j]]
        per_caption[j] = -torch.log(torch.softmax(logits, 0)[positives].sum())
    image = {i: torch.stack([per_roi[n, k] for n, k in valid if n == i]).mean() for i in images}
    weigh = 0.5 if backward else 1.0
    if reduction == "none":
        zero = rois.sum() * 0
        return torch.stack(
            [weigh * image[i] + (0.5 * per_caption[i] if backward else 0) if i in image else zero for i in range(B)]
        )
    reduce = torch.mean if reduction == "mean" else torch.sum
    rows = list(image.values()) if reduction == "mean" else list(per_roi.values())
    value = weigh * reduce(torch.stack(rows))
    return value + 0.5 * reduce(torch.stack(list(per_caption.values()))) if backward else value


for name, ids, directions, reduction in [
    ("own caption", [0, 1, 2], "forward", "mean"),
    ("own caption, sum", [0, 1, 2], "forward", "sum"),
    ("own caption, none", [0, 1, 2], "symmetric", "none"),
    ("symmetric", [0, 1, 2], "symmetric", "mean"),
    ("a repeated caption", [7, 3, 7], "forward", "mean"),
    ("a repeated caption, symmetric", [7, 7, 3], "symmetric", "mean"),
    ("a repeated caption, symmetric, sum", [7, 3, 7], "symmetric", "sum"),
]:
    rois, captions, tau = leaf(B, R, D), leaf(B, D), scalar(0.3)
    value = roi_info_nce(rois, captions, ROIS, ids, tau, directions == "symmetric", reduction)
    record("roiInfoNce", [rois, captions], {"temperature": tau, "roiMask": ROIS},
           {"captionIds": ids, "directions": directions, "reduction": reduction}, value, name)


def negative_caption(rois, negatives, roi_mask, negative_mask, scale, bias, captions, reduction):
    per_image, every = {}, []
    for i in range(B):
        valid, wrong = indices(roi_mask[i]), indices(negative_mask[i])
        if not valid or not wrong:
            continue
        terms = []
        for k in valid:
            n = torch.stack([unit(rois[i, k]) @ unit(negatives[i, m]) for m in wrong]) * scale
            if captions is None:
                terms.append(-F.logsigmoid(-(n + bias)).mean())
            else:
                own = unit(rois[i, k]) @ unit(captions[i]) * scale
                terms.append(-F.log_softmax(torch.cat([own[None], n]), 0)[0])
        every += terms
        per_image[i] = torch.stack(terms).mean()
    if reduction == "none":
        return torch.stack([per_image.get(i, rois.sum() * 0) for i in range(B)])
    return torch.stack(list(per_image.values())).mean() if reduction == "mean" else torch.stack(every).sum()


for name, mode, negative_mask, reduction in [
    ("bce", "bce", NEGATIVES, "mean"),
    ("bce, a normal image", "bce", NO_FINDING, "mean"),
    ("bce, sum", "bce", NEGATIVES, "sum"),
    ("bce, none", "bce", NEGATIVES, "none"),
    ("infonce", "infonce", NEGATIVES, "mean"),
    ("infonce, a normal image", "infonce", NO_FINDING, "mean"),
]:
    rois, negatives, captions, tau, bias = leaf(B, R, D), leaf(B, K, D), leaf(B, D), scalar(0.3), scalar(-0.4)
    ranked = mode == "infonce"
    value = negative_caption(rois, negatives, ROIS, negative_mask, 1 / tau, bias, captions if ranked else None, reduction)
    tensors = {"temperature": tau, "roiMask": ROIS, "negativeMask": negative_mask}
    tensors |= {"captions": captions} if ranked else {"bias": bias}
    record("negativeCaptionLoss", [rois, negatives], tensors, {"mode": mode, "reduction": reduction}, value, name)
rois, negatives, scale = leaf(B, R, D), leaf(B, K, D), scalar(2.5)
value = negative_caption(rois, negatives, ROIS, NEGATIVES, scale, 0, None, "mean")
record("negativeCaptionLoss", [rois, negatives], {"scale": scale, "roiMask": ROIS, "negativeMask": NEGATIVES}, {}, value,
       "a learnable scale")

# Weights of terms ---------------------------------------------------------------------------------------------------
for weighting, uncertainties in [("kendall", [0.0, 0.7, -1.2]), ("paper", [1.0, 0.3, 1.5])]:
    losses = [scalar(v) for v in (1.3, 2.1, 0.4)]
    s = [scalar(v) for v in uncertainties]
    value = sum(
        0.5 * torch.exp(-a) * x + 0.5 * a if weighting == "kendall" else torch.exp(-a * a) / (2 * a * a) * x
        for a, x in zip(s, losses)
    )
    tensors = {name: x for name, x in zip(["global", "roi", "negative"], losses)}
    tensors |= {f"s.{name}": x for name, x in zip(["global", "roi", "negative"], s)}
    record("combineLosses", [], tensors, {"weighting": weighting}, value, weighting)

path = pathlib.Path(__file__).with_name("losses.json")
path.write_text(json.dumps(CASES, separators=(",", ":")) + "\n")
print(f"{len(CASES)} cases, {path.stat().st_size} bytes")

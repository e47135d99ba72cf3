"""Reference values and gradients of a whole refinement from PyTorch in float64, written from the equations as they read:
each sample is cut to its valid pixels and to the words that are left, with the softmax over all l×p pairs, the
l×p×d tensor and its average.

    pip install torch && python packages/progressive/goldens/generate.py
"""

import json
import math
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

torch.manual_seed(27)
B, L, P, D = 3, 6, 5, 4
WORDS, PIXELS = [6, 4, 5], [5, 3, 5]  # valid counts
DELTA, KEEP = 0.3, 0.7
LOCAL_TEMPERATURE, GLOBAL_TEMPERATURE = 0.4, 0.5


def normal(*shape, scale=1.0):
    return (torch.randn(*shape) * scale).double()


def numbers(value):
    if isinstance(value, dict):
        return {name: numbers(v) for name, v in value.items()}
    return [float(f"{x:.8g}") for x in torch.as_tensor(value).detach().flatten().tolist()]


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


def softmax_over_pairs(a, b):
    return torch.softmax((a[:, None] + b[None, :]).flatten(), 0).view(len(a), len(b))


def importance(m, alpha, beta, refined):
    """Eqs 5–9: Φref (or Φ) as its two factors."""
    a = m.mean(1) + alpha * (m.var(1, unbiased=False) + 1e-6).sqrt()
    b = m.mean(0) + beta * (m.var(0, unbiased=False) + 1e-6).sqrt()
    phi = softmax_over_pairs(a, b)
    if not refined:
        return phi.sum(1), phi.sum(0)
    return torch.softmax(0.5 * (phi * m).sum(1), 0), torch.softmax(0.5 * (phi * m).sum(0), 0)


def region_of_words(m, pixels, big_p, big_q, projection):
    """Eqs 10–11."""
    refined = big_p[:, None] * big_q[None, :] * m
    return unit((refined[:, :, None] * pixels[None, :, :]).mean(1) @ projection)


def keywords(gamma, training):
    """Indices of the keywords, and the mask with its straight-through gradient."""
    n = len(gamma)
    k = max(1, math.ceil(KEEP * n - 1e-9))
    score = (gamma - gamma.mean()) / (gamma.var(unbiased=False) + 1e-12).sqrt()
    soft = torch.softmax(score, 0)
    kept = torch.sort(torch.topk(gamma, k).indices).values
    hard = torch.zeros(n).double()
    hard[kept] = 1
    return kept, hard + soft - soft.detach() if training else hard


def word_terms(report, regions, words, negatives):
    """Eqs 12–13 for every word left of one report: both directions summed."""
    u, w = [unit(x) for x in regions], [unit(x) for x in words]
    logits = u[report] @ w[report].T / LOCAL_TEMPERATURE
    target = torch.arange(len(logits))
    if negatives == "report":
        return cross_entropy(logits, target, reduction="none") + cross_entropy(logits.T, target, reduction="none")
    if negatives == "pairs":
        return 2 * (torch.logsumexp(logits.flatten(), 0) - logits.diagonal())
    own = logits.diagonal()
    to_words = torch.logsumexp(u[report] @ torch.cat(w).T / LOCAL_TEMPERATURE, 1)
    to_regions = torch.logsumexp(w[report] @ torch.cat(u).T / LOCAL_TEMPERATURE, 1)
    return to_words + to_regions - 2 * own


def image_scores(report, words, mask, keys, pixels, big_q, projection):
    """How well each image explains the keywords of one report."""
    scores = []
    for m in range(B):
        s = words @ keys[m].T / math.sqrt(D)
        v = unit((big_q[m][None, :, None] * s[:, :, None] * pixels[m][None, :, :]).sum(1) @ projection)
        scores.append((mask * (v * unit(words)).sum(1)).sum() / mask.detach().sum())
    return torch.stack(scores)


def encode_words(words, text, left, iteration):
    """Stands for a text encoder: every word sees the mean of the words that are left."""
    out, vectors = [], []
    for n in range(B):
        mean = words[n][left[n]].mean(0)
        out.append(torch.tanh(words[n] * (1 + 0.1 * iteration) + 0.5 * mean))
        vectors.append(text[n] + out[n][left[n]].mean(0))
    return torch.stack(out), torch.stack(vectors)


def refine(x, *, iterations, features, local, negatives, training):
    words, text = x["words"], x["globalText"]
    pixels = [x["pixels"][n, : PIXELS[n]] for n in range(B)]
    keys = [x["projectedPixels"][n, : PIXELS[n]] for n in range(B)]
    left = [torch.arange(WORDS[n]) for n in range(B)]
    previous, total, seen = None, 0.0, []
    for t in range(1, iterations + 1):
        if t > 1 and features == "reencode":
            words, text = encode_words(x["words"], x["globalText"], left, t)
        kept_words = [words[n][left[n]] for n in range(B)]
        current = [kept_words[n] @ keys[n].T / math.sqrt(D) for n in range(B)]
        # Eq 14 literally, with S̃_0 = S_1: for 'reuse' this is S again
        m = [DELTA * s + (1 - DELTA) * (s if previous is None else previous[n]) for n, s in enumerate(current)]
        factors = [importance(m[n], x["alpha"], x["beta"], local == "joint") for n in range(B)]
        regions = [region_of_words(m[n], pixels[n], *factors[n], x["regionProjection"]) for n in range(B)]
        gamma = [(factors[n][0][:, None] * factors[n][1][None, :] * m[n]).sum(1) for n in range(B)]
        chosen = [keywords(g, training) for g in gamma]
        if negatives == "images":
            q = [f[1] for f in factors]
            scores = torch.stack(
                [image_scores(n, kept_words[n], chosen[n][1], keys, pixels, q, x["regionProjection"]) for n in range(B)]
            )
            logits, target = scores / LOCAL_TEMPERATURE, torch.arange(B)
            local_loss = cross_entropy(logits, target) + cross_entropy(logits.T, target)
        else:
            local_loss = sum(
                (chosen[n][1] * word_terms(n, regions, kept_words, negatives)).sum() / len(chosen[n][0]) for n in range(B)
            ) / B
        logits = unit(x["globalImage"]) @ unit(text).T / GLOBAL_TEMPERATURE
        global_loss = cross_entropy(logits, torch.arange(B)) + cross_entropy(logits.T, torch.arange(B))
        total = total + (global_loss + local_loss) / iterations
        place = lambda rows: torch.stack(
            [r.new_zeros(L, *r.shape[1:]).index_copy(0, left[n], r) for n, r in enumerate(rows)]
        )
        seen.append(
            {
                "wordWeights": place([f[0] for f in factors]),
                "wordImportance": place(gamma),
                "keywordMask": place([c[1] for c in chosen]),
                "regions": place(regions),
                "global": global_loss,
                "local": local_loss,
            }
        )
        previous = [m[n][chosen[n][0]] for n in range(B)]
        left = [left[n][chosen[n][0]] for n in range(B)]
    return total, seen


def main():
    inputs = {
        "words": normal(B, L, D, scale=1.5),
        "pixels": normal(B, P, D),
        "projectedPixels": normal(B, P, D, scale=1.5),
        "regionProjection": normal(D, D),
        "alpha": torch.tensor(0.8).double(),
        "beta": torch.tensor(1.2).double(),
        "globalImage": normal(B, D),
        "globalText": normal(B, D),
    }
    runs = [
        {"iterations": 3, "features": "reuse", "local": "joint", "negatives": "report", "training": True},
        {"iterations": 3, "features": "reencode", "local": "joint", "negatives": "report", "training": True},
        {"iterations": 2, "features": "reencode", "local": "joint", "negatives": "pairs", "training": False},
        {"iterations": 2, "features": "reuse", "local": "joint", "negatives": "batch", "training": True},
        {"iterations": 2, "features": "reuse", "local": "joint", "negatives": "images", "training": True},
        {"iterations": 1, "features": "reuse", "local": "initial", "negatives": "report", "training": True},
    ]
    out = {
        "shape": {"b": B, "l": L, "p": P, "d": D, "words": WORDS, "pixels": PIXELS},
        "options": {
            "delta": DELTA,
            "keepRatio": KEEP,
            "localTemperature": LOCAL_TEMPERATURE,
            "globalTemperature": GLOBAL_TEMPERATURE,
        },
        "inputs": numbers(inputs),
        "runs": [],
    }
    for run in runs:
        leaves = {name: value.clone().requires_grad_() for name, value in inputs.items()}
        loss, seen = refine(leaves, **run)
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        out["runs"].append(
            {
                "name": ", ".join(f"{value}" for key, value in run.items() if key != "training")
                + (", training" if run["training"] else ""),
                "options": run,
                "loss": numbers(loss),
                "iterations": [numbers(step) for step in seen],
                "gradients": dict(zip(leaves, (numbers(g) for g in gradients))),
            }
        )
    Path(__file__).with_name("goldens.json").write_text(json.dumps(out) + "\n")


main()

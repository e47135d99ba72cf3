"""Reference values and gradients from PyTorch in float64, written from the equations as they read: the softmax over
all l×p pairs, the l×p×d tensor and its average. Masked samples are cut to their valid words and pixels.

    pip install torch && python packages/similarity/goldens/generate.py
"""

import json
from pathlib import Path

import torch

torch.manual_seed(20)
B, L, P, D = 2, 4, 5, 3
WORDS, PIXELS = [4, 3], [5, 3]  # valid counts of the two samples


def normal(*shape, scale=1.0):
    return (torch.randn(*shape) * scale).double()


def numbers(value):
    if isinstance(value, dict):
        return {name: numbers(v) for name, v in value.items()}
    return [float(f"{x:.8g}") for x in torch.as_tensor(value).detach().flatten().tolist()]


def similarity(words, pixels, kind, scale):
    s = torch.einsum("bld,bpd->blp", words, pixels)
    if kind == "cosine":
        s = s / words.norm(dim=-1)[:, :, None] / pixels.norm(dim=-1)[:, None, :]
    if kind == "scaledDot":
        s = s / words.shape[-1] ** 0.5
    return s * scale


def joint(s, alpha, beta, weighting):
    """Eqs 5–9 for one sample [l, p]."""
    a = s.mean(1) + alpha * (s.var(1, unbiased=False) + 1e-6).sqrt()
    b = s.mean(0) + beta * (s.var(0, unbiased=False) + 1e-6).sqrt()
    phi = torch.softmax((a[:, None] + b[None, :]).flatten(), 0).view_as(s)
    gamma_words, gamma_pixels = (phi * s).sum(1), (phi * s).sum(0)
    if weighting == "half":
        w_word = w_pixel = 0.5
    elif weighting == "expected":
        w_word = w_pixel = (phi * s).sum().clamp(min=0)
    else:
        w_word, w_pixel = weighting["word"], weighting["pixel"]
    big_p, big_q = torch.softmax(w_word * gamma_words, 0), torch.softmax(w_pixel * gamma_pixels, 0)
    return {
        "wordInitial": a,
        "pixelInitial": b,
        "wordPrior": phi.sum(1),
        "pixelPrior": phi.sum(0),
        "wordRefined": gamma_words,
        "pixelRefined": gamma_pixels,
        "wordWeights": big_p,
        "pixelWeights": big_q,
        "wordImportance": (big_p[:, None] * big_q[None, :] * s).sum(1),
    }


def regions(s, pixels, importance, attention, temperature, projection, bias, normalize):
    """Eqs 10–11 for one sample; the average over pixels is that of the l×p×d tensor."""
    big_p, big_q = importance["wordWeights"], importance["pixelWeights"]
    if attention == "softmax":
        weights = big_q[None, :] * torch.exp(s / temperature)
        refined = weights / weights.sum(1, keepdim=True) * s.shape[1]
    else:
        refined = big_p[:, None] * big_q[None, :] * (s.relu() if attention == "relu" else s)
    out = (refined[:, :, None] * pixels[None, :, :]).mean(1)
    if projection is not None:
        out = out @ projection
    if bias is not None:
        out = out + bias
    return out / out.norm(dim=-1, keepdim=True) if normalize else out


def pad(tensors, size):
    return torch.stack([torch.cat([t, t.new_zeros(size - len(t), *t.shape[1:])]) for t in tensors])


def record(name, options, outputs, leaves):
    """Gradients of Σ c · output with fixed cotangents c."""
    cotangents = {k: normal(*v.shape) for k, v in outputs.items()}
    total = sum((cotangents[k] * v).sum() for k, v in outputs.items())
    gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    return {
        "name": name,
        "options": options,
        "inputs": numbers(leaves),
        "outputs": numbers(outputs),
        "cotangents": numbers(cotangents),
        "gradients": {
            k: numbers(torch.zeros_like(v) if g is None else g) for (k, v), g in zip(leaves.items(), gradients)
        },
    }


def leaf(tensor):
    return tensor.detach().clone().requires_grad_()


def main():
    words, pixels = normal(B, L, D, scale=1.5), normal(B, P, D, scale=1.5)
    cases = {"shape": {"b": B, "l": L, "p": P, "d": D, "words": WORDS, "pixels": PIXELS}}

    cases["similarity"] = []
    for kind, scale in [("cosine", 10.0), ("dot", 1.0), ("scaledDot", 1.0), ("scaledDot", 2.5)]:
        leaves = {"words": leaf(words), "pixels": leaf(pixels)}
        value = similarity(leaves["words"], leaves["pixels"], kind, scale)
        cases["similarity"].append(record(f"{kind} × {scale}", {"kind": kind, "scale": scale}, {"similarity": value}, leaves))

    s = similarity(words, pixels, "scaledDot", 1.0)
    cases["coImportance"] = []
    for masked in (False, True):
        n_words, n_pixels = (WORDS, PIXELS) if masked else ([L, L], [P, P])
        for weighting in ("half", "expected", {"word": 0.3, "pixel": 2.0}):
            leaves = {"similarity": leaf(s), "alpha": leaf(torch.tensor(0.7).double()), "beta": leaf(torch.tensor(1.3).double())}
            parts = [
                joint(leaves["similarity"][i, : n_words[i], : n_pixels[i]], leaves["alpha"], leaves["beta"], weighting)
                for i in range(B)
            ]
            outputs = {k: pad([part[k] for part in parts], P if k.startswith("pixel") else L) for k in parts[0]}
            name = f"{weighting if isinstance(weighting, str) else 'given'}{', masked' if masked else ''}"
            cases["coImportance"].append(record(name, {"weighting": weighting, "masked": masked}, outputs, leaves))

    projection, bias = normal(D, D), normal(D, scale=0.05)
    cases["regions"] = []
    for attention in ("linear", "softmax", "relu"):
        for masked, with_projection, with_bias, normalize in [
            (False, True, False, True),
            (True, True, False, True),
            (True, False, False, False),
            (True, True, True, True),
        ]:
            n_words, n_pixels = (WORDS, PIXELS) if masked else ([L, L], [P, P])
            leaves = {"similarity": leaf(s), "pixels": leaf(pixels), "projection": leaf(projection), "bias": leaf(bias)}
            parts = []
            for i in range(B):
                valid = leaves["similarity"][i, : n_words[i], : n_pixels[i]]
                parts.append(
                    regions(
                        valid,
                        leaves["pixels"][i, : n_pixels[i]],
                        joint(valid, 1.0, 1.0, "half"),
                        attention,
                        0.5,
                        leaves["projection"] if with_projection else None,
                        leaves["bias"] if with_bias else None,
                        normalize,
                    )
                )
            options = {
                "attention": attention,
                "masked": masked,
                "projection": with_projection,
                "bias": with_bias,
                "normalize": normalize,
            }
            name = ", ".join([attention] + [k for k in ("masked", "projection", "bias", "normalize") if options[k]])
            cases["regions"].append(record(name, options, {"regions": pad(parts, L)}, leaves))

    Path(__file__).with_name("goldens.json").write_text(json.dumps(cases, indent=None) + "\n")


main()

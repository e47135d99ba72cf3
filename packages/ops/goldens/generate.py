"""Values and autograd gradients of every op, computed by PyTorch in float64 with its own modules.

Run without arguments; writes ops.json next to this file.
"""

import json
import pathlib

import torch
import torch.nn.functional as F

torch.manual_seed(11)
CASES = []


def leaf(*shape, scale=1.0, offset=0.0):
    values = (torch.randn(*shape, dtype=torch.float64) * scale + offset).round(decimals=4)
    return values.requires_grad_(True)


def constant(values):
    return torch.tensor(values, dtype=torch.float64)


def stored(tensor):
    dtype = "float32" if tensor.is_floating_point() else "int32"
    values = [round(v, 8) for v in tensor.detach().double().reshape(-1).tolist()]
    return {"shape": list(tensor.shape), "dtype": dtype, "data": values}


def record(op, name, inputs, outputs, options=None):
    """inputs by the names the test knows; each output is weighed by its own random numbers for the gradients."""
    weights = {key: torch.randn(tuple(value.shape), dtype=torch.float64).round(decimals=4) for key, value in outputs.items()}
    leaves = {key: value for key, value in inputs.items() if value.requires_grad}
    total = sum((value * weights[key]).sum() for key, value in outputs.items())
    gradients = torch.autograd.grad(total, list(leaves.values())) if leaves else []
    CASES.append(
        {
            "op": op,
            "name": name,
            "inputs": {key: stored(value) for key, value in inputs.items()},
            "options": options or {},
            "outputs": {key: stored(value) for key, value in outputs.items()},
            "weights": {key: stored(value) for key, value in weights.items()},
            "gradients": {key: stored(value) for key, value in zip(leaves, gradients)},
        }
    )


# LayerNorm
x, scale, offset = leaf(3, 4, 10, scale=2, offset=1), leaf(10), leaf(10)
record("layerNorm", "three axes", {"x": x, "scale": scale, "offset": offset},
       {"y": F.layer_norm(x, [10], scale, offset, 1e-5)})
x = leaf(2, 6, scale=1e-3)
scale, offset = leaf(6), leaf(6)
record("layerNorm", "epsilon as large as the variance", {"x": x, "scale": scale, "offset": offset},
       {"y": F.layer_norm(x, [6], scale, offset, 1e-6)}, {"epsilon": 1e-6})

# GELU
for approximation in ("erf", "tanh"):
    x = leaf(5, 9, scale=3)
    y = F.gelu(x, approximate="none" if approximation == "erf" else "tanh")
    record("gelu", approximation, {"x": x}, {"y": y}, {"approximation": approximation})

# BatchNorm
for shape in ((16, 3), (2, 4, 5, 3)):
    x, scale, offset = leaf(*shape, scale=2, offset=-1), leaf(3), leaf(3)
    last = x.movedim(-1, 1)
    y = F.batch_norm(last, None, None, scale, offset, training=True, eps=1e-5).movedim(1, -1)
    record("batchNormTraining", f"{len(shape)} axes", {"x": x, "scale": scale, "offset": offset}, {"y": y})
    mean, variance = leaf(3).detach(), constant([0.5, 1.5, 2.0])
    y = F.batch_norm(last, mean, variance, scale, offset, training=False, eps=1e-3).movedim(1, -1)
    record("batchNormInference", f"{len(shape)} axes",
           {"x": x, "scale": scale, "offset": offset, "mean": mean, "variance": variance}, {"y": y},
           {"epsilon": 1e-3})

# softmax-cross-entropy
logits = leaf(6, 5, scale=3)
labels = torch.tensor([0, 4, 2, 2, 1, 3])
record("softmaxCrossEntropy", "classes", {"logits": logits, "labels": labels},
       {"loss": F.cross_entropy(logits, labels)})
record("softmaxCrossEntropy", "label smoothing, sum", {"logits": logits, "labels": labels},
       {"loss": F.cross_entropy(logits, labels, label_smoothing=0.1, reduction="sum")},
       {"labelSmoothing": 0.1, "reduction": "sum"})
shares = torch.softmax(torch.randn(6, 5, dtype=torch.float64), 1).round(decimals=4)
record("softmaxCrossEntropy", "shares, none", {"logits": logits, "labels": shares},
       {"loss": F.cross_entropy(logits, shares, reduction="none")}, {"reduction": "none"})

# attention
q, k, v = leaf(2, 3, 5, 4), leaf(2, 3, 7, 4), leaf(2, 3, 7, 6)
record("scaledDotProductAttention", "no mask", {"q": q, "k": k, "v": v}, {"y": F.scaled_dot_product_attention(q, k, v)})
keys = torch.tensor([[1, 1, 0, 1, 1, 0, 1], [1, 0, 0, 0, 0, 0, 0]])
masked = F.scaled_dot_product_attention(q, k, v, attn_mask=keys.bool()[:, None, None], scale=0.3)
record("scaledDotProductAttention", "keys masked, own scale", {"q": q, "k": k, "v": v, "mask": keys}, {"y": masked},
       {"scale": 0.3})
full = (torch.rand(2, 1, 5, 7) > 0.4).long()
full[..., 0] = 1
record("scaledDotProductAttention", "pairs masked", {"q": q, "k": k, "v": v, "mask": full},
       {"y": F.scaled_dot_product_attention(q, k, v, attn_mask=full.bool())})

# embedding and segment sum
table = leaf(6, 4)
ids = torch.tensor([[5, 0, 0], [2, 5, 5]])
record("embedding", "an id several times", {"table": table, "ids": ids}, {"y": F.embedding(ids, table)})
x = leaf(2, 5, 3)
segments = torch.tensor([[0, 0, 1, -1, 3], [-1, 2, 2, 2, 0]])
y = torch.stack(
    [
        torch.zeros(4, 3, dtype=torch.float64).index_add(0, ids[ids >= 0], rows[ids >= 0])
        for rows, ids in zip(x, segments)
    ]
)
record("segmentSum", "pieces of words", {"x": x, "ids": segments}, {"y": y}, {"segments": 4})

# linear
x, weight, bias = leaf(2, 3, 4), leaf(4, 5), leaf(5)
record("linear", "with a bias", {"x": x, "weight": weight, "bias": bias}, {"y": x @ weight + bias})


# AdamW over several parameters, and clipping by the global norm: three steps each of torch's own
def parameters():
    return [leaf(4, 3).detach(), leaf(5).detach()]


weights = [w.clone().requires_grad_(True) for w in parameters()]
gradients = [[leaf(*w.shape).detach() for w in weights] for _ in range(3)]
before = [w.detach().clone() for w in weights]
adam = torch.optim.AdamW(weights, lr=0.02, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)
for step in gradients:
    for w, g in zip(weights, step):
        w.grad = g.clone()
    adam.step()
inputs = {f"weight {i}": w for i, w in enumerate(before)}
inputs |= {f"gradient {i}, step {t + 1}": g for t, step in enumerate(gradients) for i, g in enumerate(step)}
outputs = {f"weight {i}": w.detach() for i, w in enumerate(weights)}
record("adamStep", "AdamW, three steps", inputs, outputs,
       {"learningRate": 0.02, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-6, "weightDecay": 0.1})

for most in (0.5, 100.0):
    tensors = [leaf(4, 3).detach(), leaf(7).detach()]
    parameters_ = [torch.zeros_like(t).requires_grad_(True) for t in tensors]
    for p, t in zip(parameters_, tensors):
        p.grad = t.clone()
    norm = torch.nn.utils.clip_grad_norm_(parameters_, most)
    outputs = {"norm": norm} | {f"clipped {i}": p.grad for i, p in enumerate(parameters_)}
    record("globalNormClip", f"at most {most}", {f"tensor {i}": t for i, t in enumerate(tensors)}, outputs,
           {"maxNorm": most})

path = pathlib.Path(__file__).with_name("ops.json")
path.write_text(json.dumps({"torch": torch.__version__.split("+")[0], "cases": CASES}, indent=None) + "\n")
print(f"{len(CASES)} cases")

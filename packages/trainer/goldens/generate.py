"""Writes optimisers.json and schedules.json: what PyTorch does, step by step. No arguments; deterministic."""

import json
import math
import pathlib

import torch

HERE = pathlib.Path(__file__).parent
STEPS = 20


def gradients(step):
    """Gradients that are exact in float32, change size and sign, and leave 'b' out at every fourth step."""
    w = torch.tensor([[math.sin(step + i + 3 * j) * 10.0 ** (j - 1) for j in range(3)] for i in range(2)])
    b = None if step % 4 == 3 else torch.tensor([math.cos(step), -0.5])
    return w.float(), b if b is None else b.float()


def optimiser(make):
    w = torch.nn.Parameter(torch.tensor([[1.0, -2.0, 3.0], [0.5, 0.0, -0.25]]))
    b = torch.nn.Parameter(torch.tensor([0.1, -0.1]))
    torch_optimiser = make([w, b])
    trace = []
    for step in range(STEPS):
        w.grad, b.grad = gradients(step)
        torch_optimiser.step()
        trace.append({"w": w.detach().flatten().tolist(), "b": b.detach().tolist()})
    state = {}
    for name, parameter in {"w": w, "b": b}.items():
        for key, value in torch_optimiser.state[parameter].items():
            if torch.is_tensor(value) and value.dim() > 0:
                state[f"{name}.{key}"] = value.flatten().tolist()
    return {"trace": trace, "state": state}


def optimisers():
    return {
        "gradients": [
            {"w": w.flatten().tolist(), "b": None if b is None else b.tolist()}
            for w, b in (gradients(step) for step in range(STEPS))
        ],
        "adam": optimiser(lambda p: torch.optim.Adam(p, lr=0.05)),
        "adamL2": optimiser(lambda p: torch.optim.Adam(p, lr=0.05, weight_decay=0.1, betas=(0.8, 0.99), eps=1e-6)),
        "adamW": optimiser(lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.1)),
        "sgd": optimiser(lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.1)),
    }


METRICS = [5, 4, 4, 4, 3.9999, 4.2, 3.5, 3.5, 3.6, 3.4999, 3.5, 3.5, 3.5, 3.5, float("nan"), 3.2, 3.2, 3.3, 3.3, 3.3]


def plateau(**options):
    parameter = torch.nn.Parameter(torch.zeros(1))
    torch_optimiser = torch.optim.SGD([parameter], lr=1.0)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(torch_optimiser, **options)
    rates = []
    for metric in METRICS:
        schedule.step(metric)
        rates.append(torch_optimiser.param_groups[0]["lr"])
    return {"options": options, "rates": rates}


def by_step(make, count):
    parameter = torch.nn.Parameter(torch.zeros(1))
    torch_optimiser = torch.optim.SGD([parameter], lr=0.3)
    schedule = make(torch_optimiser)
    rates = []
    for _ in range(count):
        rates.append(torch_optimiser.param_groups[0]["lr"])
        torch_optimiser.step()
        schedule.step()
    return rates


def schedules():
    scheduler = torch.optim.lr_scheduler
    return {
        "metrics": [None if math.isnan(m) else m for m in METRICS],
        "plateau": [
            plateau(factor=0.5, patience=5),
            plateau(factor=0.5, patience=1),
            plateau(factor=0.1, patience=0, cooldown=2, min_lr=0.02),
            plateau(factor=0.5, patience=1, threshold=0.1, threshold_mode="abs"),
            plateau(factor=0.5, patience=1, mode="max"),
            plateau(factor=0.5, patience=0, mode="max", threshold=0.2, threshold_mode="abs", cooldown=1),
        ],
        "cosine": by_step(lambda o: scheduler.CosineAnnealingLR(o, T_max=10, eta_min=0.05), 11),
        "warmup": by_step(lambda o: scheduler.LinearLR(o, start_factor=1 / 5, total_iters=4), 8),
    }


(HERE / "optimisers.json").write_text(json.dumps(optimisers()) + "\n")
(HERE / "schedules.json").write_text(json.dumps(schedules()) + "\n")

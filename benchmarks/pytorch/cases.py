"""The same cases in PyTorch, by the same names. Reads lines of JSON on stdin, answers on stdout:

{"case": name, "run": true}    makes the inputs, and runs one iteration if told to
{"iterations": n}              runs n iterations of that case, answers {"seconds": …}
{"peak": true}                 runs one iteration, answers {"bytes": …}: its peak of resident memory above what was there
"""

import json
import re
import sys
import time

import torch
import torch.nn.functional as F

from model_steps import model_steps
from phantom_step import phantom_step


def both(cases, name, inputs, f):
    def forward():
        given = inputs()

        def run():
            with torch.no_grad():
                f(*given)

        return run

    def backward():
        given = [x.requires_grad_() for x in inputs()]
        with torch.no_grad():
            dy = torch.ones_like(f(*given))
        return lambda: torch.autograd.grad(f(*given), given, dy)

    cases[f"{name}, forward"] = forward
    cases[f"{name}, forward and backward"] = backward


def info_nce(n, device):
    def make():
        a, b = (torch.randn(n, 512, device=device, requires_grad=True) for _ in range(2))
        targets = torch.arange(n, device=device)

        def run():
            logits = F.normalize(a, dim=1) @ F.normalize(b, dim=1).T / 0.07
            loss = (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2
            torch.autograd.grad(loss, [a, b])

        return run

    return make


def bert_shapes():
    layer = [[768, 768], [768]] * 4 + [[768], [768], [3072, 768], [3072], [768, 3072], [768], [768], [768]]
    return [[30522, 768], [512, 768], [2, 768], [768], [768]] + layer * 12 + [[768, 768], [768]]


def adam_w(device, **options):
    def make():
        parameters = [torch.ones(shape, device=device, requires_grad=True) for shape in bert_shapes()]
        for p in parameters:
            p.grad = torch.full_like(p, 0.01)
        optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=1e-2, **options)
        return optimizer.step

    return make


def clipping(device):
    def make():
        parameters = [torch.ones(shape, device=device, requires_grad=True) for shape in bert_shapes()]
        for p in parameters:
            p.grad = torch.full_like(p, 0.01)
        return lambda: torch.nn.utils.clip_grad_norm_(parameters, 1.0)

    return make


def local_loss(pixels, form, device):
    """PLAN's local loss of one iteration, Eqs 4-13. `literal` builds what the paper writes."""
    b, l, d = 48, 97, 768

    def loss(words, grid, projection):
        s = torch.einsum("bld,bpd->blp", words, grid) / d**0.5
        a = s.mean(2) + (s.var(2, unbiased=False) + 1e-6).sqrt()
        c = s.mean(1) + (s.var(1, unbiased=False) + 1e-6).sqrt()
        if form == "literal":
            phi = torch.softmax((a[:, :, None] + c[:, None, :]).flatten(1), 1).view_as(s)
            word, pixel = (phi * s).sum(2), (phi * s).sum(1)
            big_p, big_q = torch.softmax(word / 2, 1), torch.softmax(pixel / 2, 1)
            refined = big_p[:, :, None] * big_q[:, None, :] * s
            regions = (refined[..., None] * grid[:, None]).mean(2)
        else:
            p, q = torch.softmax(a, 1), torch.softmax(c, 1)
            pixel = q * torch.bmm(p[:, None], s)[:, 0]
            regions = torch.bmm(torch.softmax(pixel / 2, 1)[:, None] * s, grid)
        v, w = F.normalize(regions @ projection, dim=2), F.normalize(words, dim=2)
        logits = torch.bmm(v, w.transpose(1, 2)) / 0.1
        targets = torch.arange(l, device=device).expand(b, l)
        return F.cross_entropy(logits.transpose(1, 2), targets) + F.cross_entropy(logits, targets)

    def make():
        shapes = (b, l, d), (b, pixels, d), (d, d)
        inputs = [torch.randn(*shape, device=device, requires_grad=True) for shape in shapes]
        return lambda: torch.autograd.grad(loss(*inputs), inputs)

    return make


def all_cases(device):
    normal = lambda *shape: torch.randn(*shape, device=device)
    cases = {}
    both(cases, "add 4 × 4", lambda: [normal(4, 4), normal(4, 4)], torch.add)
    both(cases, "matmul 1024 × 1024", lambda: [normal(1024, 1024), normal(1024, 1024)], torch.matmul)
    both(
        cases,
        "conv 8 × 56 × 56 × 64, 3 × 3",
        lambda: [
            normal(8, 64, 56, 56).to(memory_format=torch.channels_last),
            normal(64, 64, 3, 3).to(memory_format=torch.channels_last),
        ],
        lambda x, w: F.conv2d(x, w, padding=1),
    )
    both(
        cases,
        "LayerNorm 4096 × 768",
        lambda: [normal(4096, 768), torch.ones(768, device=device), torch.zeros(768, device=device)],
        lambda x, scale, offset: F.layer_norm(x, [768], scale, offset),
    )
    both(
        cases,
        "attention 8 × 12 × 197 × 64",
        lambda: [normal(8, 12, 197, 64) for _ in range(3)],
        F.scaled_dot_product_attention,
    )
    for n in (1024, 4096, 16384):
        cases[f"InfoNCE {n} × 512, forward and backward"] = info_nce(n, device)
    for pixels in (49, 196):
        for form in ("factored", "literal"):
            name = f"PLAN local loss 48 × 97 × {pixels} × 768, forward and backward (PyTorch: {form})"
            cases[name] = local_loss(pixels, form, device)
    cases["AdamW over the parameters of BERT-base (PyTorch: default)"] = adam_w(device)
    cases["AdamW over the parameters of BERT-base (PyTorch: fused)"] = adam_w(device, fused=True)
    cases["training step of npm run plan, 32 images and reports"] = phantom_step(device)
    cases["clipping by the global norm, the gradients of BERT-base"] = clipping(device)
    return cases | model_steps(device)


def resident(name):
    with open("/proc/self/status") as status:
        return int(re.search(rf"{name}:\s+(\d+) kB", status.read())[1]) * 1024


def peak(run, synchronize):
    with open("/proc/self/clear_refs", "w") as reset:
        reset.write("5")
    before = resident("VmRSS")
    run()
    synchronize()
    return resident("VmHWM") - before


def main():
    device = sys.argv[1]
    synchronize = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    cases = all_cases(device)
    versions = {"version": torch.__version__, "device": device, "threads": torch.get_num_threads()}
    print(json.dumps(versions), flush=True)
    run = None
    for line in sys.stdin:
        command = json.loads(line)
        if "case" in command:
            run = None
            torch.manual_seed(1)
            run = cases[command["case"]]()
            if command["run"]:
                run()
            synchronize()
            answer = {}
        elif "iterations" in command:
            start = time.perf_counter()
            for _ in range(command["iterations"]):
                run()
            synchronize()
            answer = {"seconds": time.perf_counter() - start}
        else:
            answer = {"bytes": peak(run, synchronize)}
        print(json.dumps(answer), flush=True)


main()

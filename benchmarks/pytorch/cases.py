"""The same cases in PyTorch, by the same names. Reads lines of JSON on stdin, answers on stdout:

{"case": name}                 makes the inputs, and runs one iteration
{"iterations": n}              runs n iterations of that case, answers {"seconds": …}
"""

import json
import sys
import time

import torch
import torch.nn.functional as F


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


def adam_w(device):
    def make():
        parameters = [torch.ones(shape, device=device, requires_grad=True) for shape in bert_shapes()]
        for p in parameters:
            p.grad = torch.full_like(p, 0.01)
        optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=1e-2)
        return optimizer.step

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
    for n in (1024, 4096):
        cases[f"InfoNCE {n} × 512, forward and backward"] = info_nce(n, device)
    cases["AdamW over the parameters of BERT-base"] = adam_w(device)
    return cases


def main():
    device = sys.argv[1]
    synchronize = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    cases = all_cases(device)
    print(json.dumps({"version": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    run = None
    for line in sys.stdin:
        command = json.loads(line)
        if "case" in command:
            run = None
            torch.manual_seed(1)
            run = cases[command["case"]]()
            run()
            synchronize()
            print("{}", flush=True)
        else:
            start = time.perf_counter()
            for _ in range(command["iterations"]):
                run()
            synchronize()
            print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)


main()

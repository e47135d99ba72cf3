"""Training steps of whole models: forward, backward, optimiser. Sizes as in src/model-cases.ts."""

import torch

from encoders import Bert, ResNet, VisionTransformer
from paper_plan import paper_plan

BATCH, SIDE, PIECES, VOCABULARY = 4, 224, 99, 28996


def step_of(build, inputs, loss, optimizer, device):
    def make():
        model = build().to(device).train()
        given = [x.to(device) for x in inputs()]
        steps = optimizer(model.parameters())

        def run():
            steps.zero_grad()
            loss(model, *given).backward()
            steps.step()

        return run

    return make


def channels_last(x):
    return x.to(memory_format=torch.channels_last)


images = lambda: torch.randn(BATCH, 3, SIDE, SIDE)
ids = lambda: torch.randint(VOCABULARY, (BATCH, PIECES))
mask = lambda: torch.ones(BATCH, PIECES, dtype=torch.bool)
adam_w = lambda parameters: torch.optim.AdamW(parameters, lr=1e-4, weight_decay=1e-2, fused=True)
adam = lambda parameters: torch.optim.Adam(parameters, lr=1e-5, weight_decay=1e-6, fused=True)

pooled_resnet = lambda model, x: (model(x)[-1].mean((2, 3)) ** 2).sum()
pooled_bert = lambda model, x, on: (model(x, on)[1] ** 2).sum()
pooled_vit = lambda model, x: (model(x) ** 2).sum()
plan_loss = lambda model, x, texts: model.loss(x, texts)


def model_steps(device):
    last = lambda: [channels_last(images())]
    plan = lambda: channels_last(paper_plan(VOCABULARY))
    make = lambda build, inputs, loss, optimizer=adam_w: step_of(build, inputs, loss, optimizer, device)
    resnet = "ResNet-50, 4 images, training step"
    bert = "BERT-base, 4 texts of 97 words, training step"
    vit = "ViT-B/16, 4 images, training step"
    paper = "PLAN paper step, 4 pairs"
    return {
        f"{resnet} (PyTorch: channels last)": make(lambda: channels_last(ResNet()), last, pooled_resnet),
        f"{resnet} (PyTorch: contiguous)": make(ResNet, lambda: [images()], pooled_resnet),
        bert: make(lambda: Bert(VOCABULARY), lambda: [ids(), mask()], pooled_bert),
        vit: make(VisionTransformer, lambda: [images()], pooled_vit),
        paper: make(plan, lambda: [*last(), ids()], plan_loss, adam),
    }

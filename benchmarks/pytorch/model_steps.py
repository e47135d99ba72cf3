"""Training steps of whole models: forward, backward, optimiser. Sizes as in src/model-cases.ts."""

import torch

from encoders import Bert, ResNet, VisionTransformer
from paper_plan import paper_plan
from paper_regionmed import paper_optimizer, paper_regionmed

BATCH, SIDE, PIECES, VOCABULARY = 4, 224, 99, 28996
# RegionMed-CLIP: images, pieces of a caption, negatives of an image, PubMedBERT's vocabulary
PAIRS, CAPTION, NEGATIVES, PUBMED = 2, 24, 5, 30522
BOXES = [[0.3, 0.35, 0.25, 0.2], [0.65, 0.4, 0.4, 0.35], [0.5, 0.7, 0.15, 0.3], [0.25, 0.6, 0.5, 0.5]]
CLIP = 0.5


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


def regionmed_step(features, device):
    def make():
        model = paper_regionmed(PUBMED, features).to(device).train()
        images = torch.randn(PAIRS, 3, SIDE, SIDE, device=device)
        boxes = torch.tensor(BOXES, device=device).expand(PAIRS, -1, -1)
        words = lambda texts, pieces: torch.randint(PUBMED, (texts, pieces), device=device)
        reports, captions = words(PAIRS, PIECES), words(PAIRS * (1 + NEGATIVES), CAPTION)
        steps = paper_optimizer(model)

        def run():
            steps.zero_grad()
            model.loss(images, boxes, reports, captions).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
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
        **{
            f"RegionMed-CLIP paper step, 2 pairs, 4 ROIs: {features}": regionmed_step(features, device)
            for features in ("crops", "align")
        },
    }

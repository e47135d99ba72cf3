"""PLAN as configs/paper.yaml describes it, in PyTorch: recipe `paper`, words encoded again in every round."""

import torch
import torch.nn.functional as F
from torch import nn

from alignment import both_ways, co_importance, keywords
from encoders import Bert, ResNet

ROUNDS, DELTA, TAU_GLOBAL, TAU_LOCAL, LAST_LAYERS = 3, 0.5, 0.1, 0.1, 4


class PaperPlan(nn.Module):
    def __init__(self, resnet, bert, *, channels=(1024, 2048), hidden=768, width=768):
        super().__init__()
        self.resnet, self.bert = resnet, bert
        self.local, self.image = nn.Linear(channels[0], width), nn.Linear(channels[1], width)
        self.pixel, self.region = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.word, self.text = nn.Linear(hidden, width), nn.Linear(hidden, width)
        self.alpha, self.beta = nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(1.0))

    def encode_texts(self, ids, left):
        """A piece for every word, between the first piece and the last."""
        one = torch.ones_like(left[:, :1])
        states, _ = self.bert(ids, torch.cat([one, left, one], 1))
        words = sum(states[-LAST_LAYERS:])[:, 1:-1]
        return self.word(words), self.text(states[-1][:, 0])

    def loss(self, images, ids, noise=True):
        *_, grid, last = self.resnet(images)
        pixels = self.local(grid.flatten(2).transpose(1, 2))
        keys, values = self.pixel(pixels), self.region(pixels)
        image = F.normalize(self.image(last.mean((2, 3))), dim=1)
        left = torch.ones(len(ids), ids.shape[1] - 2, dtype=torch.bool, device=ids.device)
        matrix, loss = None, 0
        for _ in range(ROUNDS):
            words, text = self.encode_texts(ids, left)
            words = words * left[..., None]
            s = torch.bmm(words, keys.transpose(1, 2)) / keys.shape[2] ** 0.5
            matrix = s if matrix is None else DELTA * s + (1 - DELTA) * matrix
            weights, importance = co_importance(matrix, self.alpha, self.beta, left)
            kept = keywords(importance, left, noise)
            regions = torch.bmm(matrix * weights[:, None], values) * left[..., None]
            loss = loss + both_ways(image @ F.normalize(text, dim=1).T / TAU_GLOBAL)
            loss = loss + self.local_loss(regions, words, left, kept)
            left = kept.detach() > 0.5
        return loss / ROUNDS

    @staticmethod
    def local_loss(regions, words, left, kept):
        """Eqs 12 and 13 over the words left, of the keywords alone."""
        z = torch.bmm(F.normalize(regions, dim=2), F.normalize(words, dim=2).transpose(1, 2)) / TAU_LOCAL
        rows = z.masked_fill(~left[:, None], -1e30).logsumexp(2)
        columns = z.masked_fill(~left[..., None], -1e30).logsumexp(1)
        terms = (rows + columns - 2 * z.diagonal(dim1=1, dim2=2)) * left
        kept = kept / kept.detach().sum(1, keepdim=True)
        return (terms * kept).sum(1).mean()


def paper_plan(vocabulary):
    return PaperPlan(ResNet(), Bert(vocabulary))

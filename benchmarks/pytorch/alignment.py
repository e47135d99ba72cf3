"""Parts of PLAN's loss in PyTorch, for every recipe."""

import torch
import torch.nn.functional as F

KEEP = 0.7


def both_ways(logits):
    targets = torch.arange(len(logits), device=logits.device)
    return F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)


def co_importance(s, alpha, beta, word_mask):
    """Eqs 5-9 by their factors: pixel weights Q and word importance."""
    valid = word_mask[..., None].float()
    count = valid.sum(1)
    s = s * valid
    a = s.mean(2) + alpha * (s.var(2, unbiased=False) + 1e-6).sqrt()
    mean = s.sum(1) / count
    b = mean + beta * ((((s - mean[:, None]) ** 2) * valid).sum(1) / count + 1e-6).sqrt()
    masked = lambda x: torch.softmax(x.masked_fill(~word_mask, -1e30), 1)
    p, q = masked(a), torch.softmax(b, 1)
    word, pixel = p * torch.bmm(s, q[..., None])[..., 0], q * torch.bmm(p[:, None], s)[:, 0]
    big_p, big_q = masked(word / 2), torch.softmax(pixel / 2, 1)
    return big_q, big_p * torch.bmm(s, big_q[..., None])[..., 0]


def keywords(importance, word_mask, noise=True):
    """Gumbel-top-k of the z-scores, straight through."""
    count = word_mask.sum(1, keepdim=True)
    mean = (importance * word_mask).sum(1, keepdim=True) / count
    variance = (((importance - mean) ** 2) * word_mask).sum(1, keepdim=True) / count
    scores = (importance - mean) / (variance + 1e-12).sqrt()
    noisy = scores - torch.empty_like(scores).exponential_().log() if noise else scores
    noisy = noisy.masked_fill(~word_mask, -1e30)
    soft = torch.softmax(noisy, 1)
    ranks = noisy.detach().argsort(1, descending=True).argsort(1)
    hard = (ranks < (KEEP * count - 1e-9).ceil()).float() * word_mask
    return hard + soft - soft.detach()

"""The PLAN example's training step (configs/phantom.yaml, recipe `grounded`) in PyTorch: the same layers, losses and sizes."""

import torch
import torch.nn.functional as F
from torch import nn

from alignment import both_ways, co_importance, keywords

BATCH, SIDE, PIECES, WORDS, WIDTH, VOCABULARY = 32, 64, 73, 71, 64, 1210
GROUP, TAU_GLOBAL, TAU_LOCAL, TAU_ATTENTION = 8, 0.1, 0.05, 0.1


class Block(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = None
        if stride != 1 or inputs != width:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (self.downsample(x) if self.downsample else x))


class Bert(nn.Module):
    """One post-norm layer of BERT."""

    def __init__(self):
        super().__init__()
        self.word = nn.Embedding(VOCABULARY, WIDTH)
        self.position = nn.Embedding(256, WIDTH)
        self.segment = nn.Embedding(2, WIDTH)
        self.norm0, self.norm1, self.norm2 = (nn.LayerNorm(WIDTH, eps=1e-12) for _ in range(3))
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.up, self.down = nn.Linear(WIDTH, 128), nn.Linear(128, WIDTH)

    def forward(self, ids, mask):
        b, n = ids.shape
        x = self.norm0(self.word(ids) + self.position.weight[:n] + self.segment.weight[0])
        heads = lambda y: y.view(b, n, 2, WIDTH // 2).transpose(1, 2)
        y = F.scaled_dot_product_attention(*(heads(f(x)) for f in (self.q, self.k, self.v)), attn_mask=mask[:, None, None])
        x = self.norm1(x + self.o(y.transpose(1, 2).reshape(b, n, WIDTH)))
        return self.norm2(x + self.down(F.gelu(self.up(x))))


class Plan(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 3, 2, 1, bias=False)
        self.bn = nn.BatchNorm2d(24)
        self.layer1, self.layer2 = Block(24, 24, 2), Block(24, 32, 1)
        self.bert = Bert()
        self.local, self.image = nn.Linear(32, WIDTH), nn.Linear(32, WIDTH)
        self.word, self.text = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.pixel = nn.Linear(WIDTH, WIDTH, bias=False)
        self.pixel_norm, self.word_norm, self.image_norm, self.text_norm = (nn.BatchNorm1d(WIDTH) for _ in range(4))
        self.alpha, self.beta = nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(1.0))

    def encode(self, images, ids, word_mask):
        x = F.relu(self.bn(self.stem(with_coordinates(images))))
        last = self.layer2(self.layer1(x))
        grid = self.local(last.flatten(2).transpose(1, 2))
        b, p, d = grid.shape
        keys = self.pixel_norm(self.pixel(grid).reshape(b * p, d)).view(b, p, d)
        image = self.image_norm(self.image(last.mean((2, 3))))

        attended = torch.cat([word_mask.new_ones(b, 1), word_mask, word_mask.new_zeros(b, 1)], 1)
        words = self.bert(ids, attended)[:, 1:-1] * word_mask[..., None]  # a piece for every word
        text = self.text_norm(self.text(words.sum(1) / word_mask.sum(1, keepdim=True)))
        chosen = self.word_norm(self.word(words)[word_mask])
        words = torch.zeros(b, WORDS, d, device=words.device).masked_scatter(word_mask[..., None], chosen)
        return keys, image, words, text

    def loss(self, images, ids, word_mask):
        keys, image, words, text = self.encode(images, ids, word_mask)
        keys, words = F.normalize(keys, dim=2), F.normalize(words, dim=2)
        s = torch.bmm(words, keys.transpose(1, 2))
        weights, importance = co_importance(s, self.alpha, self.beta, word_mask)
        kept = keywords(importance, word_mask)
        local = sum(
            self.local_loss(words[i : i + GROUP], keys[i : i + GROUP], weights[i : i + GROUP], kept[i : i + GROUP])
            for i in range(0, len(images), GROUP)
        )
        logits = F.normalize(image, dim=1) @ F.normalize(text, dim=1).T / TAU_GLOBAL
        return both_ways(logits) + local / (len(images) // GROUP)

    @staticmethod
    def local_loss(words, keys, weights, kept):
        """Smooth maximum of a word over the pixels of every image of the group; images are the negatives."""
        shares = (weights / weights.sum(1, keepdim=True)).log()
        s = torch.einsum("nld,mpd->nlmp", words, keys)
        best = TAU_ATTENTION * torch.logsumexp(s / TAU_ATTENTION + shares, 3)
        kept = kept / kept.detach().sum(1, keepdim=True)
        return both_ways((best * kept[..., None]).sum(1) / TAU_LOCAL)


def with_coordinates(images):
    line = torch.linspace(-1, 1, SIDE, device=images.device)
    across, down = torch.meshgrid(line, line, indexing="xy")
    places = torch.stack([across, down]).expand(len(images), 2, SIDE, SIDE)
    return torch.cat([images, places], 1)


def inputs(device):
    lengths = 40 + torch.arange(BATCH) % (WORDS - 40)
    word_mask = torch.arange(WORDS)[None] < lengths[:, None]
    images = torch.randn(BATCH, 1, SIDE, SIDE)
    ids = torch.randint(VOCABULARY, (BATCH, PIECES))
    return images.to(device), ids.to(device), word_mask.to(device)


def phantom_step(device):
    def make():
        model = Plan().to(device).train().to(memory_format=torch.channels_last)
        given = inputs(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-6)

        def run():
            optimizer.zero_grad()
            model.loss(*given).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

        return run

    return make

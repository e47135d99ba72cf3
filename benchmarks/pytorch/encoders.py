"""ResNet (bottleneck), BERT and ViT as plain modules, under the names of torchvision, Hugging Face and timm."""

import torch
import torch.nn.functional as F
from torch import nn


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        y += self.downsample(x) if self.downsample else x
        return self.relu(y)


class ResNet(nn.Module):
    """The features after each of four stages."""

    def __init__(self, layers=(3, 4, 6, 3), widths=(64, 128, 256, 512)):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs = widths[0]
        for stage, (count, width) in enumerate(zip(layers, widths)):
            blocks = []
            for i in range(count):
                blocks.append(Bottleneck(inputs, width, 2 if i == 0 and stage > 0 else 1))
                inputs = 4 * width
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))

    def forward(self, images):
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        features = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            features.append(x)
        return features


class BertLayer(nn.Module):
    def __init__(self, d, heads, wide, dropout):
        super().__init__()
        linear = lambda inputs, outputs: nn.ModuleDict({"dense": nn.Linear(inputs, outputs)})
        self.attention = nn.ModuleDict(
            {"self": nn.ModuleDict({name: nn.Linear(d, d) for name in ("query", "key", "value")}), "output": linear(d, d)}
        )
        self.attention["output"]["LayerNorm"] = nn.LayerNorm(d, eps=1e-12)
        self.intermediate, self.output = linear(d, wide), linear(wide, d)
        self.output["LayerNorm"] = nn.LayerNorm(d, eps=1e-12)
        self.heads, self.rate, self.dropout = heads, dropout, nn.Dropout(dropout)

    def forward(self, x, mask):
        b, n, d = x.shape
        q, k, v = (f(x).view(b, n, self.heads, -1).transpose(1, 2) for f in self.attention["self"].values())
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=self.rate if self.training else 0.0)
        y = self.attention["output"]["dense"](y.transpose(1, 2).reshape(b, n, d))
        x = self.attention["output"]["LayerNorm"](self.dropout(y) + x)
        y = self.output["dense"](F.gelu(self.intermediate["dense"](x)))
        return self.output["LayerNorm"](self.dropout(y) + x)


class Bert(nn.Module):
    """The hidden states, that of the embeddings first, and the pooled first token."""

    def __init__(self, vocabulary, d=768, layers=12, heads=12, wide=3072, positions=512, dropout=0.1):
        super().__init__()
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(vocabulary, d),
                "position_embeddings": nn.Embedding(positions, d),
                "token_type_embeddings": nn.Embedding(2, d),
                "LayerNorm": nn.LayerNorm(d, eps=1e-12),
            }
        )
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(BertLayer(d, heads, wide, dropout) for _ in range(layers))})
        self.pooler = nn.ModuleDict({"dense": nn.Linear(d, d)})
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids, mask):
        """`mask` `[b, n]`: True = read."""
        part = self.embeddings
        position, kind = part["position_embeddings"].weight[: ids.shape[1]], part["token_type_embeddings"].weight[0]
        x = self.dropout(part["LayerNorm"](part["word_embeddings"](ids) + kind + position))
        states = [x]
        for layer in self.encoder["layer"]:
            states.append(layer(states[-1], mask[:, None, None]))
        return states, torch.tanh(self.pooler["dense"](states[-1][:, 0]))


class VitBlock(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(d, eps=1e-6), nn.LayerNorm(d, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(d, 3 * d), "proj": nn.Linear(d, d)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(d, 4 * d), "fc2": nn.Linear(4 * d, d)})
        self.heads = heads

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.attn["qkv"](self.norm1(x)).view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d)
        x = x + self.attn["proj"](y)
        return x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))


class VisionTransformer(nn.Module):
    def __init__(self, side=224, patch=16, d=768, layers=12, heads=12):
        super().__init__()
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, d))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, 1 + (side // patch) ** 2, d))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, d, patch, patch)})
        self.blocks = nn.Sequential(*(VitBlock(d, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(d, eps=1e-6)

    def tokens(self, images):
        """The class token and the patches, after the last normalisation."""
        patches = self.patch_embed["proj"](images).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(images), -1, -1), patches], 1) + self.pos_embed
        return self.norm(self.blocks(x))

    def forward(self, images):
        return self.tokens(images)[:, 0]

"""Writes the reference values that the tests of this package compare with. Run without arguments.

Needs torch, torchvision, timm, open_clip_torch, transformers, tokenizers. Tokeniser references need the two public BERT
vocabularies: their folder is MEDALIGN_DATA/vocab, or ../shared/data/vocab beside the repository.
"""

import json

import torch
from answer_head import answer_head_golden
from common import array, shake, weigh, write
from open_clip_text import open_clip_text_golden
from text import text_goldens
from torchvision.models import resnet50
from torchvision.models.resnet import BasicBlock, Bottleneck
from transformers import BertConfig, BertModel, CLIPVisionConfig, Dinov2Config, ResNetConfig, ViTConfig
from vision import vision_goldens

class TinyResNet(torch.nn.Module):
    """torchvision's blocks and names with free widths, stem and channels."""

    def __init__(self, block, layers, widths, stem, channels):
        super().__init__()
        self.stem = stem
        self.conv1 = (
            torch.nn.Conv2d(channels, widths[0], 7, 2, 3, bias=False)
            if stem == "imagenet"
            else torch.nn.Conv2d(channels, widths[0], 3, 2, 1, bias=False)
        )
        self.bn1 = torch.nn.BatchNorm2d(widths[0])
        inputs = widths[0]
        for stage, (count, width) in enumerate(zip(layers, widths)):
            blocks = []
            for i in range(count):
                stride = 2 if stage > 0 and i == 0 else 1
                outputs = width * block.expansion
                down = None
                if stride != 1 or inputs != outputs:
                    down = torch.nn.Sequential(
                        torch.nn.Conv2d(inputs, outputs, 1, stride, bias=False), torch.nn.BatchNorm2d(outputs)
                    )
                blocks.append(block(inputs, width, stride, down))
                inputs = outputs
            setattr(self, f"layer{stage + 1}", torch.nn.Sequential(*blocks))
        self.count = len(layers)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        if self.stem == "imagenet":
            x = torch.nn.functional.max_pool2d(x, 3, 2, 1)
        features = []
        for stage in range(self.count):
            x = getattr(self, f"layer{stage + 1}")(x)
            features.append(x)
        return features, x.mean((2, 3))


def resnet_golden(block, **config):
    torch.manual_seed(1)
    model = TinyResNet({"basic": BasicBlock, "bottleneck": Bottleneck}[block], **config)
    shake(model)
    # A size that strides do not divide, where padding matters.
    images = torch.randn(2, config["channels"], 21, 18)
    state = {name: array(tensor) for name, tensor in model.state_dict().items()}
    model.eval()
    features, pooled = model(images)
    weigh(pooled).backward()
    inference_gradient = array(model.conv1.weight.grad)
    result = {
        "block": block,
        **config,
        "state": state,
        "images": array(images.permute(0, 2, 3, 1)),
        "features": [array(f.permute(0, 2, 3, 1)) for f in features],
        "pooled": array(pooled),
        "inferenceGradient": inference_gradient,
    }
    model.zero_grad()
    model.train()
    features, pooled = model(images)
    weigh(pooled).backward()
    result["training"] = {
        "pooled": array(pooled),
        "gradients": {name: array(p.grad) for name, p in model.named_parameters()},
        "buffers": {name: array(b) for name, b in model.named_buffers()},
    }
    return result


def bert_with(activation, config, model):
    """The same arrays with another activation between the feed-forward maps."""
    other = BertModel(BertConfig(**{**config.to_dict(), "hidden_act": activation})).eval()
    other.load_state_dict(model.state_dict())
    return other


def bert_golden():
    torch.manual_seed(2)
    config = BertConfig(
        vocab_size=23, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=12, type_vocab_size=2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        initializer_range=0.3,
    )
    config._attn_implementation = "eager"
    model = BertModel(config)
    shake(model)
    model.eval()
    ids = torch.tensor([[2, 5, 7, 5, 22, 3], [2, 9, 3, 1, 1, 1]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]])
    types = torch.tensor([[0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0]])
    out = model(ids, mask, types, output_hidden_states=True)
    (weigh(out.pooler_output) + weigh(out.hidden_states[-1] * mask[..., None])).backward()
    names = [name for name in model.state_dict() if not name.endswith("position_ids")]
    return {
        "state": {name: array(model.state_dict()[name]) for name in names},
        "ids": ids.tolist(), "mask": mask.tolist(), "types": types.tolist(),
        "hiddenStates": [array(h) for h in out.hidden_states],
        "pooled": array(out.pooler_output),
        "gradients": {name: array(p.grad) for name, p in model.named_parameters()},
        "config": json.loads(config.to_json_string(use_diff=False)),
        "activations": {name: array(bert_with(name, config, model)(ids, mask, types).pooler_output) for name in ("gelu", "gelu_new", "relu")},
    }


def config_golden():
    """What Hugging Face's configurations are when a file says nothing but the type."""
    kinds = (BertConfig, CLIPVisionConfig, Dinov2Config, ResNetConfig, ViTConfig)
    return {kind.model_type: json.loads(kind().to_json_string(use_diff=False)) for kind in kinds}


def names_golden():
    with torch.device("meta"):
        bert = BertModel(BertConfig())
        resnet = resnet50()
    shapes = lambda model: {name: list(t.shape) for name, t in model.state_dict().items()}
    return {"resnet50": shapes(resnet), "bertBase": shapes(bert)}


write("resnet-basic.json", resnet_golden("basic", layers=[1, 2], widths=[4, 6], stem="small", channels=1))
write("resnet-bottleneck.json", resnet_golden("bottleneck", layers=[1, 1], widths=[2, 3], stem="imagenet", channels=3))
write("bert.json", bert_golden())
text_goldens()
write("configs.json", config_golden())
write("names.json", names_golden())
vision_goldens()
open_clip_text_golden()
write("answer-head.json", answer_head_golden())

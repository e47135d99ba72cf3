"""Reference values of the answer head, in PyTorch's own modules. `generate.py` calls `answer_head_golden()`."""

import torch
from common import array, shake, weigh


class AnswerHead(torch.nn.Module):
    def __init__(self, image, question, answers, hidden, region=None):
        super().__init__()

        def projection(width):
            return torch.nn.Sequential(torch.nn.LayerNorm(width), torch.nn.Linear(width, hidden))

        self.image = projection(image)
        if region is not None:
            self.region = projection(region)
        self.question = projection(question)
        joint = hidden * (3 if region is None else 5)
        self.classifier = torch.nn.Sequential(
            torch.nn.Linear(joint, hidden), torch.nn.GELU(), torch.nn.Dropout(0.5), torch.nn.Linear(hidden, answers)
        )

    def forward(self, image, question, regions=None, mask=None):
        v, q = self.image(image), self.question(question)
        parts = [q, v, q * v]
        if regions is not None:
            rows = []
            for i in range(len(image)):
                u = self.region(regions[i][mask[i] > 0])
                weights = torch.softmax(u @ q[i] / q.shape[1] ** 0.5, 0)
                rows.append((weights[:, None] * u).sum(0))
            u = torch.stack(rows)
            parts += [u, q * u]
        return self.classifier(torch.cat(parts, 1))


def answer_head_golden():
    """With regions (one question whose image has none), and without."""
    cases = {}
    for name, region in (("regions", 5), ("plain", None)):
        torch.manual_seed(11)
        options = {"image": 4, "question": 6, "answers": 3, "hidden": 8, **({"region": region} if region else {})}
        model = AnswerHead(**options).eval()
        shake(model)
        inputs = {
            "image": torch.randn(3, 4, requires_grad=True),
            "question": torch.randn(3, 6, requires_grad=True),
        }
        given = dict(inputs)
        if region:
            inputs["regions"] = torch.randn(3, 4, region, requires_grad=True)
            mask = torch.tensor([[1.0, 1, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0]])
            given = {**inputs, "mask": mask}
        logits = model(**given)
        weigh(logits).backward()
        cases[name] = {
            "options": options,
            "state": {key: array(value) for key, value in model.state_dict().items()},
            "inputs": {key: array(value) for key, value in inputs.items()},
            **({"mask": array(mask)} if region else {}),
            "logits": array(logits),
            "gradients": {key: array(value.grad) for key, value in model.named_parameters()},
            "inputGradients": {key: array(value.grad) for key, value in inputs.items()},
        }
    return cases

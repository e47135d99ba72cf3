"""Writes files of the reference implementation that the tests of this package read. Run without arguments.

Needs safetensors, numpy and torch (for bfloat16).
"""

from pathlib import Path

import torch
from safetensors.torch import save_file

here = Path(__file__).parent

tensors = {
    "f64": torch.tensor([1.5, -2.25], dtype=torch.float64),
    "f32": torch.tensor([[1.0, -0.0, float("inf")], [3.5, 1e-40, -7.0]]),
    "f16": torch.tensor([1.0, 65504.0, 6e-8, -0.333251953125], dtype=torch.float16),
    "bf16": torch.tensor([1.0, -3.140625, 1e30], dtype=torch.bfloat16),
    "i64": torch.tensor(7),
    "i32": torch.tensor([-2147483648, 2147483647], dtype=torch.int32),
    "i16": torch.tensor([-32768, 32767], dtype=torch.int16),
    "i8": torch.tensor([-128, 127], dtype=torch.int8),
    "u8": torch.tensor([0, 255, 3], dtype=torch.uint8),
    "bool": torch.tensor([True, False, True]),
    "empty": torch.zeros(0, 4),
    "name \u00e9 \"quoted\"": torch.tensor([1.0]),
}
save_file(tensors, here / "reference.safetensors", metadata={"format": "pt", "note": "\u00e9"})

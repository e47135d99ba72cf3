"""Reference values that the tests of this package read: a file of the reference implementation with every type, and
PyTorch's rounding of float32 to float16 and bfloat16, bit for bit.

    pip install torch safetensors && python packages/weights/goldens/generate.py
"""

import json
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
    "10": torch.tensor([10.0]),
    "name \u00e9 \"quoted\"": torch.tensor([1.0]),
}
# One entry: the reference implementation writes several in an order that changes from run to run.
save_file(tensors, here / "reference.safetensors", metadata={"note": "\u00e9"})


def bits(x, kind, mask):
    return [int(v) & mask for v in x.view(kind).tolist()]


torch.manual_seed(7)
random = torch.randint(-(2**31), 2**31, (300,), dtype=torch.int64).to(torch.int32).view(torch.float32)
# Every binade of float16 and its subnormals, on a tie, and one unit of float32 on either side of it.
steps = torch.tensor([(1 + (k % 1024 + 0.5) / 1024) * 2.0**e for e in range(-17, 17) for k in (0, 1, 682, 1023)])
small = torch.tensor([(k + 0.5) * 2.0**-24 for k in (0, 1, 2, 511, 1022, 1023)])
ties = torch.cat([steps, small])
around = [torch.nextafter(ties, torch.tensor(s * float("inf"))) for s in (1.0, -1.0)]
special = torch.tensor([0.0, -0.0, float("inf"), -float("inf"), 65504.0, 65519.996, 65520.0, 3.4028235e38, 1e-45, -1e-45])
coarse = torch.tensor([0x3F808000, 0x3F818000, 0x3F808001, 0x3F817FFF, 0x7F7F8000, 0x00008000, 0x00018000]).to(torch.int32)
x = torch.cat([random[~random.isnan()], ties, *around, -ties, special, coarse.view(torch.float32)])
half = {
    "float32": bits(x, torch.int32, 0xFFFFFFFF),
    "float16": bits(x.half(), torch.int16, 0xFFFF),
    "bfloat16": bits(x.bfloat16(), torch.int16, 0xFFFF),
}
(here / "half.json").write_text(json.dumps(half, separators=(",", ":")) + "\n")

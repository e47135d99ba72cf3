"""Checkpoints that the tests of this package read, and what PyTorch itself reads from them.

    pip install torch numpy safetensors huggingface_hub && python packages/weights/goldens/checkpoints.py

The files hold pointers and ids: they differ from run to run, their values do not.
"""

import argparse
import hashlib
import json
import tempfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from huggingface_hub import save_torch_state_dict

here = Path(__file__).parent / "checkpoints"
here.mkdir(exist_ok=True)
names = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip


def expected(tensors):
    """Values as numbers; what JSON has no number for as text."""

    def number(v):
        v = v if isinstance(v, int) else float(v)
        return v if v == v and abs(v) != float("inf") else str(v)

    return [
        {
            "name": name,
            "dtype": names[t.dtype],
            "shape": list(t.shape),
            "data": [number(int(v) if t.dtype == torch.bool else v) for v in t.detach().float().flatten().tolist()]
            if t.dtype.is_floating_point
            else [int(v) for v in t.flatten().tolist()],
        }
        for name, t in tensors.items()
    ]


base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 8
weight = torch.nn.Parameter(torch.tensor([[0.25, -1.5], [3.0, 1e-3]]))
tensors = OrderedDict(
    {
        "f32": torch.tensor([1.0, -0.0, float("inf"), -2.5]),
        "f16": torch.tensor([1.0, 65504.0, -0.333251953125], dtype=torch.float16),
        "bf16": torch.tensor([1.0, -3.140625], dtype=torch.bfloat16),
        "f64": torch.tensor([0.1, -1e300], dtype=torch.float64),
        "i64": torch.tensor([2147483647, -2147483648]),
        "i32": torch.tensor([[7], [-8]], dtype=torch.int32),
        "i16": torch.tensor([-32768, 32767], dtype=torch.int16),
        "i8": torch.tensor([-128, 127], dtype=torch.int8),
        "u8": torch.tensor([0, 255], dtype=torch.uint8),
        "bool": torch.tensor([True, False, True]),
        "scalar": torch.tensor(41),
        "empty": torch.zeros(0, 4),
        "parameter": weight,
        "tied": weight,
        "buffer": torch.nn.Buffer(torch.tensor([5.0])),
        "transposed": base.t(),
        "rows": base[1:3],
        "columns": base[:, 1::2],
        "diagonal": base.diagonal(),
        "expanded": torch.tensor([[1.0], [2.0]]).expand(3, 2, 4),
        "permuted64": torch.arange(6).reshape(1, 2, 3).permute(2, 0, 1),
        "permuted16": torch.arange(6, dtype=torch.int16).reshape(2, 3).t(),
        "permuted8": torch.arange(6, dtype=torch.uint8).reshape(2, 3).t(),
        "__proto__": torch.tensor([1.0]),
    }
)
tensors._metadata = OrderedDict({"": {"version": 1}})
result = {"types": expected(tensors)}
for protocol in (2, 3, 4, 5):
    torch.save(tensors, here / f"zip-{protocol}.pt", pickle_protocol=protocol)
    legacy = {"_use_new_zipfile_serialization": False}
    torch.save(tensors, here / f"legacy-{protocol}.pt", pickle_protocol=protocol, **legacy)

head = OrderedDict({"head.weight": torch.tensor([[1.0, 2.0], [3.0, 4.0]]), "head.bias": torch.tensor([0.5, -1.0])})
result["head"] = expected(head)
lightning = {
    "epoch": 3,
    "global_step": 2**40,
    "pytorch-lightning_version": "2.5.0",
    "state_dict": head,
    "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 4}}}},
    "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.25), "best_k_models": {}}},
    "optimizer_states": [{"state": {0: {"step": torch.tensor(4.0), "exp_avg": torch.ones(2, 2)}}, "param_groups": []}],
    "lr_schedulers": [{"_last_lr": [np.float64(1e-3)], "last_epoch": 4}],
    "hyper_parameters": {"device": torch.device("cuda", 0), "dtype": torch.float32, "seed": np.int64(7), "ids": {1, 2}},
    "best": np.float32(0.5),
    "name": None,
}
torch.save(lightning, here / "lightning-2.pt")
torch.save(lightning, here / "lightning-4.pt", pickle_protocol=4)
foreign = lightning | {"hyper_parameters": argparse.Namespace(lr=1e-3, path=Path("runs"))}
torch.save(foreign, here / "foreign.pt")
wrapped = {"model": OrderedDict({f"module._orig_mod.{name}": t for name, t in head.items()}), "step": 9}
torch.save(wrapped, here / "wrapped.pt")
attributed = torch.tensor([1.0, 2.0])
attributed.note = "kept by PyTorch"
noted = torch.nn.Parameter(torch.tensor([3.0]))
noted.note = "kept by PyTorch"
torch.save({"attributed": attributed, "noted": noted}, here / "attributes.pt")
torch.save({"w": torch.tensor([1, 2], dtype=torch.uint16)}, here / "uint16.pt")
torch.save({"w": torch.ones(2, dtype=torch.complex64)}, here / "complex.pt")
torch.save({"w": torch.ones(2, 2).to_sparse()}, here / "sparse.pt")
torch.save({"w": torch.ones(2, dtype=torch.complex64).real.clone(), "v": torch.ones(1, device="meta")}, here / "meta.pt")
torch.save(torch.nn.Linear(1, 1), here / "module.pt")
torch.save([torch.ones(1)], here / "list.pt")

shards = here / "sharded"
shards.mkdir(exist_ok=True)
for i, (name, t) in enumerate(head.items(), 1):
    torch.save({name: t}, shards / f"pytorch_model-0000{i}-of-00002.bin")
weights = {name: f"pytorch_model-0000{i}-of-00002.bin" for i, name in enumerate(head, 1)}
index = {"metadata": {"total_size": 24}, "weight_map": weights}
(shards / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2) + "\n")

# Sizes around the limit: two that fill a shard, one that is larger than a shard, one that just fits in.
sizes = {"b": 3, "a": 2, "large": 9, "c": 4, "d": 1, "e": 5}
many = {name: torch.arange(n, dtype=torch.float32) + i for i, (name, n) in enumerate(sizes.items())}
many["half"] = torch.tensor([1.0, 2.0], dtype=torch.float16)
written = {}
for limit in (20, 1000):
    with tempfile.TemporaryDirectory() as folder:
        save_torch_state_dict(many, folder, max_shard_size=limit)
        files = sorted(p.name for p in Path(folder).iterdir())
        written[limit] = {
            "index": next((json.loads((Path(folder) / f).read_text()) for f in files if f.endswith(".json")), None),
            "sha256": {
                f: hashlib.sha256((Path(folder) / f).read_bytes()).hexdigest()
                for f in files
                if f.endswith(".safetensors")
            },
        }
result["sharded"] = {"sizes": sizes, "written": written}
(here / "expected.json").write_text(json.dumps(result, separators=(",", ":")) + "\n")

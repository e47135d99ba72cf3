"""Reference permutations and splits. Writes numpy-split.json next to this file.

permutation: numpy.random.RandomState(seed).permutation(n), the generator behind scikit-learn's integer random_state.
rsna: the two calls of sklearn.model_selection.train_test_split(…, random_state=0) that give 18,678 / 4,003 / 4,003 of
26,684 rows, as the row numbers of each part (first five, and sha256 of all, joined by commas, in the order of the call).
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

permutations = [
    {"seed": seed, "n": n, "values": np.random.RandomState(seed).permutation(n).tolist()}
    for seed, n in [(0, 1), (0, 2), (0, 10), (0, 17), (1, 33), (42, 64), (4294967295, 9)]
]

rows = list(range(26684))
train, rest = train_test_split(rows, test_size=0.15 * 2, random_state=0)
test, validation = train_test_split(rest, test_size=0.5, random_state=0)


def part(ids):
    return {"n": len(ids), "first": ids[:5], "sha256": hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()}


path = Path(__file__).with_name("numpy-split.json")
golden = {"permutations": permutations, "rsna": {"train": part(train), "validation": part(validation), "test": part(test)}}
path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")

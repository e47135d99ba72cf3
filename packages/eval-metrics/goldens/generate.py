"""Goldens of the metrics: PyTorch bilinear resizing, scikit-learn AUROC and logistic regression, NumPy quantiles.

Deterministic; writes next to itself. Needs torch, numpy and scikit-learn (written with 1.9).
"""

import json
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

here = Path(__file__).parent


def write(name, value):
    (here / f"{name}.json").write_text(json.dumps(value) + "\n")


def resize():
    grid = np.random.default_rng(0).normal(size=(3, 4)).round(4)
    resized = torch.nn.functional.interpolate(
        torch.tensor(grid)[None, None], size=(7, 10), mode="bilinear", align_corners=False
    )
    return {
        "map": {"data": grid.ravel().tolist(), "width": 4, "height": 3},
        "width": 10,
        "height": 7,
        "expected": resized.numpy().ravel().round(6).tolist(),
    }


def auroc():
    rng = np.random.default_rng(1)
    cases = []
    for levels in (3, 10, 1000):
        labels = rng.integers(0, 2, size=60)
        scores = rng.integers(0, levels, size=60) + labels
        cases.append({"scores": scores.tolist(), "labels": labels.tolist(), "expected": roc_auc_score(labels, scores)})
    return cases


def logistic_regression():
    rng = np.random.default_rng(2)
    cases = []
    for classes, c in ((2, 1.0), (2, 0.05), (5, 1.0), (5, 10.0)):
        labels = np.arange(40) % classes
        features = (rng.normal(size=(40, 6)) + 0.8 * rng.normal(size=(classes, 6))[labels]).round(3)
        inputs = rng.normal(size=(4, 6)).round(3)
        model = LogisticRegression(C=c, tol=1e-10, max_iter=10000).fit(features, labels)
        cases.append(
            {
                "c": c,
                "features": features.tolist(),
                "labels": labels.tolist(),
                "weights": model.coef_.tolist(),
                "bias": model.intercept_.tolist(),
                "inputs": inputs.tolist(),
                "probabilities": model.predict_proba(inputs).tolist(),
            }
        )
    return cases


def quantiles():
    values = np.sort(np.random.default_rng(3).normal(size=37)).round(5)
    shares = [0, 0.025, 0.1, 0.5, 0.975, 1]
    return {"values": values.tolist(), "shares": shares, "expected": np.quantile(values, shares).tolist()}


write("resize", resize())
write("auroc", auroc())
write("logistic-regression", logistic_regression())
write("quantiles", quantiles())

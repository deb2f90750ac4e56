"""The picture of a training run, from its CSV file. Nothing else lives here."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

PARTS = ("objectness", "proposal_box", "score", "box", "mask")


def draw_curve(losses: Path, validations: Path, out: Path) -> None:
    """Draw losses, and validation figures if there are any, as PNG."""
    from matplotlib.figure import Figure

    rows = _read(losses)
    if not rows:
        return
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    minutes = np.array([row["seconds"] for row in rows]) / 60
    for name in ("loss", *PARTS):
        values = np.array([row[name] for row in rows])
        axes.plot(minutes, _smooth(values), label=name, lw=2 if name == "loss" else 1)
    axes.set(xlabel="minutes of training", ylabel="loss", yscale="log")
    axes.legend(loc="lower left", fontsize="small", ncols=2)
    checks = _read(validations) if validations.is_file() else []
    if checks:
        right = axes.twinx()
        when = [row["seconds"] / 60 for row in checks]
        right.plot(when, [row["f1_50"] for row in checks], "ko-", label="F1 at IoU 0.5")
        right.set(ylabel="F1 at IoU 0.5, validation", ylim=(0, 1))
    figure.savefig(out, dpi=110)


def _read(path: Path) -> list[dict[str, float]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def _smooth(values: np.ndarray, share: float = 0.02) -> np.ndarray:
    """Average over a fiftieth of the run, so that the trend can be seen."""
    width = max(1, int(len(values) * share))
    weights = np.ones(width)
    total: np.ndarray = np.convolve(values, weights, "same") / np.convolve(
        np.ones(len(values)), weights, "same"
    )
    return total

"""What retraining gives, and what its gate lets through.

    python tests/benchmarks/retrain.py DATA [PART …] [--rows NAME …] [--minutes M] [--gates N]
                                       [--out RESULTS.json]

DATA has vrdl/train.json, vrdl/val.json, dsb2018/val.json and their images. Parts, all by default:

- cancel: from the kill to the process gone
- images: 1, 3 and 6 fully reviewed images; AP50 and F1 on both validation sets before and after
- half: three images reviewed in one half, every other label missing in the other half; with and
  without ignoring what nobody has looked at; to be compared with `3 images`, the same ones whole
- gate: short runs on one image each, honest ones and poisoned ones

Each row is written to RESULTS.json as it is done; rows that are there already are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_nuclei import models
from napari_nuclei.formats import coco
from napari_nuclei.formats.dataset import DataSet
from napari_nuclei.images.images import read_image
from napari_nuclei.learn.job import RetrainJob
from napari_nuclei.learn.locked import Grid, digest_of
from napari_nuclei.learn.retrain import retrain
from napari_nuclei.learn.validate import predict_set
from napari_nuclei.masks import Mask
from napari_nuclei.models.runtime import name_of
from napari_nuclei.nuclei import ImageRecord, Nuclei, Nucleus
from napari_nuclei.progress import result_of
from napari_nuclei.scoring.scoring import score

BASE = "nuclei"
POISONS = ("shifted", "another image", "half deleted")

Row = dict[str, Any]


class Bench:
    """The data, a folder for models, and the rows so far."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.data, self.out, self.wanted = options.data, options.out, options.rows
        self.minutes, self.gate_minutes = options.minutes, options.gate_minutes
        self.folder = Path(tempfile.mkdtemp(prefix="napari-nuclei-"))
        os.environ["NAPARI_NUCLEI_MODELS"] = str(self.folder / "models")
        self.images = self.data / "vrdl" / "images"
        self.train = coco.read(self.data / "vrdl" / "train.json")
        there = self.out.is_file()
        self.rows: dict[str, Row] = json.loads(self.out.read_text()) if there else {}

    def row(self, name: str, make: Callable[[], Row]) -> None:
        """Make a row, unless it is there or not wanted."""
        if self.wanted and name not in self.wanted:
            return
        if name not in self.rows:
            begun = time.monotonic()
            self.rows[name] = {**make(), "seconds": round(time.monotonic() - begun)}
            self.rows[name]["load"] = round(os.getloadavg()[0], 1) if os.name != "nt" else None
            self.out.write_text(json.dumps(self.rows, indent=1))
        print(f"{name}: {json.dumps(self.rows[name])}", flush=True)

    def figures(self, model: str, sets: Sequence[str] = ("vrdl", "dsb2018")) -> Row:
        """Score a model on validation sets, as users have it."""
        detector = models.load(model, "cpu")
        out = {}
        for name in sets:
            truth = coco.read(self.data / name / "val.json")
            found = result_of(predict_set(truth, self.data / name / "images", detector))
            got = score(truth, found, detector.card.threshold)
            out[name] = {"ap50": round(got.ap50, 4), "f1_50": round(got.f1_50, 4)}
        return out

    def reviewed(self, name: str, records: list[ImageRecord], of: Callable[..., Nuclei]) -> Path:
        """Write a reviewed data set."""
        path = self.folder / f"{name}.json"
        coco.write(path, DataSet(records, {r.id: of(r) for r in records}, self.train.about))
        return path

    def retrained(self, path: Path, minutes: float, ignore: bool = True) -> Row:
        """Retrain, and say what the gate said."""
        torch.manual_seed(0)
        job = RetrainJob(path, self.images, BASE, path.stem, minutes, ignore=ignore)
        report = result_of(retrain(job, "cpu"))
        assert report is not None
        assert report.card is not None
        training = report.card.training
        return {
            "accepted": report.verdict.accepted,
            "reasons": list(report.verdict.reasons),
            "weights": str(report.card.weights),
            "steps": training["steps"],
            "factor": report.best.factor,
            "threshold": report.best.threshold,
            "locked_f1": [round(v, 4) for v in _pair(report.locked["f1_50"])],
            "locked_ap50": [round(v, 4) for v in _pair(report.locked["ap50"])],
            "sample_f1": [round(v, 4) for v in _pair(report.sample["all"]["f1_50"])],
            "sample_ap50": [round(v, 4) for v in _pair(report.sample["all"]["ap50"])],
        }

    def scored(
        self, path: Path, sets: Sequence[str] = ("vrdl", "dsb2018"), ignore: bool = True
    ) -> Row:
        """Retrain, then score on validation sets."""
        row = self.retrained(path, self.minutes, ignore)
        return row | self.figures(row.pop("weights"), sets)

    def whole(self, record: ImageRecord) -> Nuclei:
        """Return an image's nuclei, all of it complete."""
        area = (0, 0, record.height, record.width)
        return Nuclei(record.shape, self.train.of(record), complete=(area,))


def _pair(spread: Any) -> tuple[float, float]:
    return spread.before, spread.after


def images(bench: Bench) -> None:
    """Measure 3, 1 and 6 images."""
    bench.row("before", lambda: bench.figures(BASE))
    for count in (3, 1, 6):
        path = bench.reviewed(f"images-{count}", bench.train.images[:count], bench.whole)
        bench.row(f"{count} images", lambda path=path: bench.scored(path))  # type: ignore[misc]


def half(bench: Bench) -> None:
    """Measure what missing labels do, ignored and not."""

    def partly(record: ImageRecord) -> Nuclei:
        rng = np.random.default_rng(record.id)
        middle = record.width // 2
        rows = [
            n for n in bench.train.of(record) if n.mask.centroid[1] < middle or rng.random() < 0.5
        ]
        return Nuclei(record.shape, rows, complete=((0, 0, record.height, middle),))

    some = bench.train.images[:3]
    path = bench.reviewed("half-ignored", some, partly)
    same = bench.reviewed("half-not-ignored", some, partly)
    bench.row("half missing, ignored", lambda: bench.scored(path, ["vrdl"]))
    bench.row("half missing, not ignored", lambda: bench.scored(same, ["vrdl"], ignore=False))


def gate(bench: Bench, count: int) -> None:
    """Run the gate on honest and on poisoned reviews."""
    for number in range(count):
        record = bench.train.images[number]
        other = bench.train.images[(number + 7) % len(bench.train.images)]
        kind = POISONS[number % len(POISONS)]
        bad = poisoned(bench, record, other, kind)
        path = bench.reviewed(f"poison-{number}", [record], lambda _, bad=bad: bad)  # type: ignore[misc]
        bench.row(f"poison {number}: {kind}", lambda p=path: _gated(bench, p))  # type: ignore[misc]
        path = bench.reviewed(f"honest-{number}", [record], bench.whole)
        bench.row(f"honest {number}", lambda p=path: _gated(bench, p))  # type: ignore[misc]
    for number in range(min(count, 3)):
        record, other = bench.train.images[number], bench.train.images[number + 7]
        bad = poisoned(bench, record, other, POISONS[number], everywhere=True)
        path = bench.reviewed(f"all-poison-{number}", [record], lambda _, bad=bad: bad)  # type: ignore[misc]
        name = f"poison everywhere {number}: {POISONS[number]}"
        bench.row(name, lambda p=path: _gated(bench, p))  # type: ignore[misc]


def _gated(bench: Bench, path: Path) -> Row:
    row = bench.retrained(path, bench.gate_minutes)
    row.pop("weights")
    return row


def poisoned(
    bench: Bench, record: ImageRecord, other: ImageRecord, kind: str, everywhere: bool = False
) -> Nuclei:
    """Spoil the training part of a review; its locked tiles too, if `everywhere`."""
    clean = bench.whole(record)
    grid = Grid(digest_of(read_image(bench.images / record.file_name)), record.shape)
    locked = set() if everywhere else grid.locked()

    def free(mask: Mask) -> bool:
        y, x = mask.centroid
        return grid.at(y + 0.5, x + 0.5) not in locked

    kept = [n for n in clean if not free(n.mask)]
    spoilt: list[Mask] = []
    if kind == "another image":
        spoilt = [n.mask for n in bench.train.of(other)]
    elif kind == "half deleted":
        rng = np.random.default_rng(record.id)
        spoilt = [n.mask for n in clean if free(n.mask) and rng.random() < 0.5]
    else:
        sizes = [2 * (n.mask.area / np.pi) ** 0.5 for n in clean]
        step = round(statistics.median(sizes) / 2)
        spoilt = [n.mask.shift(step, step) for n in clean if free(n.mask)]
    masks = (mask.clip(record.shape) for mask in spoilt)
    rows = list(_numbered(kept, (m for m in masks if m and free(m))))
    return Nuclei(record.shape, rows, complete=clean.complete)


def _numbered(kept: list[Nucleus], masks: Iterator[Mask]) -> Iterator[Nucleus]:
    yield from kept
    first = 1 + max((n.id for n in kept), default=0)
    template = kept[0] if kept else None
    for id, mask in enumerate(masks, first):
        yield replace(template, id=id, mask=mask) if template else Nucleus(id, mask)


def cancel(bench: Bench) -> None:
    """Measure from the kill to the process gone, in training."""
    path = bench.reviewed("cancel", bench.train.images[:1], bench.whole)

    def measure() -> Row:
        command = [sys.executable, "-m", "napari_nuclei", "retrain", str(path), "--images",
                   str(bench.images), "--lines", "--device", "cpu"]  # fmt: skip
        waits = []
        for _ in range(3):
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    if json.loads(line)["event"] == "loss":
                        break
                begun = time.perf_counter()
                process.kill()
                process.wait()
                waits.append(time.perf_counter() - begun)
        return {"median_s": round(statistics.median(waits), 4), "worst_s": round(max(waits), 4)}

    bench.row("cancel", measure)


def main() -> None:
    """Parse the arguments and measure."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("data", type=Path, metavar="DATA")
    p.add_argument("parts", nargs="*", metavar="PART", help="cancel, images, half, gate")
    p.add_argument("--minutes", type=float, default=10, help="of a run (default: 10)")
    p.add_argument("--gate-minutes", type=float, default=2, help="of a gated run (default: 2)")
    p.add_argument("--gates", type=int, default=10, help="honest and poisoned runs (default: 10)")
    p.add_argument("--rows", nargs="+", default=[], metavar="NAME", help="only these rows")
    p.add_argument("--out", type=Path, default=Path("retrain.json"), metavar="RESULTS.json")
    options = p.parse_intermixed_args()
    bench = Bench(options)
    print(f"machine: {name_of(torch.device('cpu'))}, {os.cpu_count()} cores")
    for part in options.parts or ("cancel", "images", "half", "gate"):
        {
            "cancel": cancel,
            "images": images,
            "half": half,
            "gate": lambda bench: gate(bench, options.gates),
        }[part](bench)


if __name__ == "__main__":
    main()

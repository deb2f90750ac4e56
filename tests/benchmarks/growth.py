"""Time for each megapixel and peak memory as an image grows, its nuclei in proportion.

Synthetic H&E, made block by block as a zarr; each size is segmented in a process of its own, from
the file to nuclei with RLE. Under the table: how far the times for a megapixel lie apart, and how
many bytes of memory each nucleus more has cost from the smallest to the largest image that has
more than one tile.

    python tests/benchmarks/growth.py [--sides 1024 4096 16384] [--rounds 1] [--plot growth.png]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import numpy as np
from rivals import _peak

BLOCK = 1024
KINDS = 8
"""Different blocks; each is turned and mirrored in eight ways."""


def main() -> None:
    """Make, segment and print one size after another."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[1024, 4096, 16384])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--plot", type=Path, help="picture to write")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.model)))
        return
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    print("| side, px | nuclei | s | s a megapixel | peak MB |\n|---|---|---|---|---|")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        blocks = make_blocks(min(KINDS, (max(options.sides) // BLOCK) ** 2 or 1))
        for side in options.sides:
            path = write(Path(folder, f"{side}.zarr"), blocks, side)
            runs = [again(path, options.model) for _ in range(options.rounds)]
            row = {key: statistics.median(r[key] for r in runs) for key in runs[0]}
            row |= {"side": side, "each": row["seconds"] / side**2 * 1e6}
            rows.append(row)
            figures = f"{row['seconds']:.1f} | {row['each']:.3f} | {row['peak']:.0f}"
            print(f"| {side} | {row['nuclei']:.0f} | {figures} |", flush=True)
    report(rows)
    if options.plot:
        plot(rows, options.plot)


def again(path: Path, model: str) -> dict[str, float]:
    """Measure one image in a fresh process."""
    command = [sys.executable, __file__, "--one", str(path), "--model", model]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def report(rows: list[dict[str, float]]) -> None:
    """Print what the rows have in common."""
    times = [row["each"] for row in rows]
    print(f"\ntime a megapixel: {max(times) / min(times) - 1:.0%} between slowest and fastest")
    tiled = [row for row in rows if row["side"] > 2 * BLOCK]
    if len(tiled) > 1:
        more = tiled[-1]["nuclei"] - tiled[0]["nuclei"]
        grown = (tiled[-1]["peak"] - tiled[0]["peak"]) * 1e6 / max(more, 1)
        print(f"memory for each nucleus more: {grown:.0f} bytes")


def plot(rows: list[dict[str, float]], path: Path) -> None:
    """Draw time and memory by size."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    sides = [row["side"] for row in rows]
    named = (("each", "seconds a megapixel"), ("peak", "peak MB"))
    for ax, (key, name) in zip(axes, named, strict=True):
        ax.plot(sides, [row[key] for row in rows], "o-")
        ax.set(xlabel="side of the image, px", ylabel=name, xscale="log", ylim=(0, None))
        ax.set_xticks(sides, [f"{side:.0f}" for side in sides])
        ax.minorticks_off()
    figure.savefig(path, dpi=120)


def make_blocks(count: int) -> list[np.ndarray]:
    """Draw blocks of 400 nuclei a megapixel."""
    from napari_nuclei.synthetic.scenes import make_sample

    nuclei = round(400 * BLOCK**2 / 1e6)
    return [make_sample("histology", seed, BLOCK, nuclei)[0] for seed in range(count)]


def write(path: Path, blocks: list[np.ndarray], side: int) -> Path:
    """Write an image of turned and mirrored blocks."""
    import zarr

    image = zarr.create_array(
        str(path), shape=(side, side, 3), chunks=(min(512, side), min(512, side), 3), dtype="uint8"
    )
    rng = np.random.default_rng(0)
    for y, x in product(range(0, side, BLOCK), repeat=2):
        block = np.rot90(blocks[rng.integers(len(blocks))], rng.integers(4))
        block = block[::-1] if rng.integers(2) else block
        image[y : y + BLOCK, x : x + BLOCK] = block[: side - y, : side - x]
    return path


def measure(path: Path, model: str) -> dict[str, float]:
    """Segment one image: a corner first, to warm up."""
    from napari_nuclei import models
    from napari_nuclei.images.large_files import open_image
    from napari_nuclei.prediction.predict import segment

    detector = models.load(model, "cpu")
    image = open_image(path)
    segment(image.read((0, 0, 256, 256)), detector, detector.card.diameter)
    begun = time.perf_counter()
    found = segment(image, detector, detector.card.diameter).found
    seconds = time.perf_counter() - begun
    shown = sum(score >= detector.card.threshold for _, score in found)
    return {"seconds": seconds, "nuclei": shown, "kept": len(found), "peak": _peak()}


if __name__ == "__main__":
    main()

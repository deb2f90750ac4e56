"""One field of view against other ways and tools: time and memory, in turns, in one run.

* ``ours``: `predict.segment` and COCO RLE of every nucleus, with the candidates below the
  threshold, as a review wants them;
* ``ours, shown``: the same without those candidates, as for files that hold only what is shown;
* ``torchvision``: Mask R-CNN ResNet-50 FPN at its default input size in four tiles, masks pasted
  at full size and encoded one by one with pycocotools. Random weights, its limits opened so that
  each tile yields a quarter of ``--nuclei`` detections;
* ``stardist``, ``cellpose``: the networks of StarDist (2-D U-Net, 32 rays) and Cellpose 3, with
  random weights and without their post-processing, which random weights would make absurd. They
  want an environment each, made once:

    uv venv -p 3.11 stardist && uv pip install -p stardist/bin/python stardist tensorflow-cpu
    uv venv -p 3.11 cellpose && uv pip install -p cellpose/bin/python "cellpose<4"

Each run is a process of its own, which warms up on a corner of the image first. Wall seconds are
the figure to compare on a quiet machine, CPU seconds on one that others use too.

    python tests/benchmarks/rivals.py [--image FILE] [--sizes 512 1000 2048] [--rounds 3]
        [--stardist-python stardist/bin/python] [--cellpose-python cellpose/bin/python]
        [--plot rivals.png]
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np


def main() -> None:
    """Run all ways in turns and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path, help="default: synthetic H&E, 400 nuclei a megapixel")
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1000, 2048])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nuclei", type=int, default=500)
    parser.add_argument("--stardist-python", help="interpreter")
    parser.add_argument("--cellpose-python", help="interpreter")
    parser.add_argument("--plot", type=Path, help="picture to write")
    parser.add_argument("--way", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        way, file = options.way
        print(json.dumps(measure(WAYS[way], np.load(file), options.nuclei)))
        return
    ways = dict.fromkeys(("ours", "ours, shown", "torchvision"), sys.executable)
    rivals = {"stardist": options.stardist_python, "cellpose": options.cellpose_python}
    ways |= {way: python for way, python in rivals.items() if python}
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    print("| px | way | wall s | against ours | CPU s | against ours | peak MB |")
    print("|---|---|---|---|---|---|---|")
    middles = {}
    for size in options.sizes:
        middles[size] = middle = _medians(ways, _image(options.image, size), options)
        for way, m in middle.items():
            wall, cpu = (m[key] / middle["ours"][key] for key in ("wall", "cpu"))
            figures = f"{m['wall']:.2f} | {wall:.2f} | {m['cpu']:.2f} | {cpu:.2f}"
            print(f"| {size}² | {way} | {figures} | {m['peak']:.0f} |", flush=True)
    if options.plot:
        _plot(middles, options.plot)


def _medians(
    ways: dict[str, str], image: np.ndarray, options: argparse.Namespace
) -> dict[str, dict[str, float]]:
    """Let all ways have their turns on an image."""
    rows: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "image.npy")
        np.save(file, image)
        for _ in range(options.rounds):
            for way, python in ways.items():
                count = ["--nuclei", str(options.nuclei)]
                command = [python, __file__, *count, "--way", way, str(file)]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    sys.exit(f"{way} failed under {python}:\n{done.stderr[-2000:]}")
                rows[way].append(json.loads(done.stdout.splitlines()[-1]))
    return {
        way: {key: statistics.median(r[key] for r in runs) for key in runs[0]}
        for way, runs in rows.items()
    }


def _plot(middles: dict[int, dict[str, dict[str, float]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for ax, (key, name) in zip(axes, (("wall", "seconds"), ("peak", "peak MB")), strict=True):
        for way in next(iter(middles.values())):
            ax.plot(list(middles), [m[way][key] for m in middles.values()], "o-", label=way)
        ax.set(xlabel="side of the image, px", ylabel=name, xscale="log", yscale="log")
        ax.set_xticks(list(middles), [str(size) for size in middles], minor=False)
        ax.minorticks_off()
    axes[0].legend()
    figure.savefig(path, dpi=120)


def measure(way: Any, image: np.ndarray, nuclei: int) -> dict[str, float]:
    """Run one way: a corner first to warm up, then the image."""
    run = way(nuclei)
    run(np.ascontiguousarray(image[:256, :256]))
    wall, cpu = time.perf_counter(), time.process_time()
    run(image)
    took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    return {**took, "peak": _peak()}


def _peak() -> float:
    """Return the most MB that this process has held; of Linux's two figures the one of its own."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on a Mac


def _image(path: Path | None, size: int) -> np.ndarray:
    if path is None:
        from napari_nuclei.synthetic.scenes import make_sample

        pixels = make_sample("histology", seed=7, size=1000, nuclei=400)[0]
    else:
        from napari_nuclei.images.images import read_image

        pixels = read_image(path)
    repeats = [-(-size // n) for n in pixels.shape[:2]]
    return np.tile(pixels, (*repeats, 1))[:size, :size]


def _ours(_: int, shown: bool = False) -> Any:
    from napari_nuclei import models
    from napari_nuclei.prediction.predict import LOW, segment

    detector = models.load("nuclei", "cpu")

    def run(image: np.ndarray) -> list[Any]:
        low = detector.card.threshold if shown else LOW
        found = segment(image, detector, detector.card.diameter, low).found
        return [(mask.to_coco(image.shape[:2]), score) for mask, score in found]

    return run


def _torchvision(nuclei: int) -> Any:
    import torch
    from pycocotools import mask as coco_mask
    from torchvision.models.detection import maskrcnn_resnet50_fpn

    limits = {"box_score_thresh": 0.0, "box_nms_thresh": 1.1}
    net = maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=2,
        box_detections_per_img=nuclei // 4, **limits,
    ).eval()  # fmt: skip

    def run(image: np.ndarray) -> list[Any]:
        height, width = image.shape[:2]
        out = []
        for y in (0, height // 2):
            for x in (0, width // 2):
                part = image[y : y + height // 2, x : x + width // 2]
                tensor = torch.from_numpy(np.ascontiguousarray(part)).permute(2, 0, 1) / 255
                with torch.inference_mode():
                    # Masks come pasted at the tile's size, and go to the image's from there.
                    found = net([tensor])[0]
                for mask, score in zip(found["masks"], found["scores"], strict=True):
                    full = np.zeros((height, width), np.uint8, order="F")
                    full[y : y + height // 2, x : x + width // 2] = mask[0].numpy() >= 0.5
                    out.append((coco_mask.encode(full), float(score)))
        return out

    return run


def _stardist(_: int) -> Any:
    import tempfile

    from stardist.models import Config2D, StarDist2D

    folder = tempfile.mkdtemp()
    net = StarDist2D(Config2D(n_rays=32, n_channel_in=3, grid=(2, 2)), "random", folder)
    return lambda image: net.predict(image / 255.0)


def _cellpose(_: int) -> Any:
    from cellpose.core import run_net
    from cellpose.resnet_torch import CPnet

    net = CPnet([2, 32, 64, 128, 256], 3, 3, mkldnn=False).eval()
    return lambda image: run_net(net, image[None, ..., :2].astype(np.float32) / 255)


WAYS = {
    "ours": _ours,
    "ours, shown": partial(_ours, shown=True),
    "torchvision": _torchvision,
    "stardist": _stardist,
    "cellpose": _cellpose,
}

if __name__ == "__main__":
    main()

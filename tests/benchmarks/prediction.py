"""Time and memory from an image array to nuclei, against two yardsticks, in one run.

* ``bare``: the network alone, on the image already normalised and resampled;
* ``ours``: `predict.segment` and COCO RLE of every nucleus, and how much of its time the network
  takes;
* ``torchvision``: the same detections pasted as full-size masks and encoded one by one, as
  torchvision's Mask R-CNN and its users do.

Each runs in a process of its own, the ways taking turns, so that memory can be told apart.

    python tests/benchmarks/prediction.py [--image FILE --diameter PX] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

WAYS = ("bare", "ours", "torchvision")


def main() -> None:
    """Run all ways in turns and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path, help="default: a synthetic H&E field, 400 nuclei")
    parser.add_argument("--diameter", type=float, help="of a typical nucleus in px")
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options)))
        return
    rows: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(options.rounds):
        for way in WAYS:
            command = [sys.executable, __file__, *sys.argv[1:], "--way", way]
            out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            rows[way].append(json.loads(out.splitlines()[-1]))
    report(rows)


def report(rows: dict[str, list[dict[str, float]]]) -> None:
    """Print a Markdown table."""
    middle = {
        way: {key: statistics.median(r[key] for r in runs) for key in runs[0]}
        for way, runs in rows.items()
    }
    cores = psutil.cpu_count()
    print(f"{platform.processor() or platform.machine()}, {cores} cores, Python ", end="")
    print(f"{platform.python_version()}; {len(rows['ours'])} rounds; ", end="")
    print(f"{middle['ours']['nuclei']:.0f} nuclei, {middle['ours']['kept']:.0f} kept\n")
    print("| way | seconds | against bare | added memory, MB |\n|---|---|---|---|")
    for way, m in middle.items():
        ratio = m["seconds"] / middle["bare"]["seconds"]
        print(f"| {way} | {m['seconds']:.2f} | {ratio:.2f} | {m['added']:.0f} |")
    print(f"\nIn the network: {middle['ours']['inside'] / middle['ours']['seconds']:.0%} of ours")


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Run one way: once to warm up on a corner, then once on the whole image."""
    from napari_nuclei import models
    from napari_nuclei.images.levels import normalize
    from napari_nuclei.prediction.diameter import estimate_diameter
    from napari_nuclei.prediction.predict import segment
    from napari_nuclei.prediction.resampling import resample
    from napari_nuclei.progress import result_of

    image = _image(options.image)
    detector = models.load(options.model, "cpu")
    diameter = options.diameter or result_of(estimate_diameter(normalize(image), detector))
    segment(image[:256, :256], detector, diameter)
    scaled = resample(normalize(image), detector.card.diameter / diameter)
    zoom = scaled.shape[0] / image.shape[0]
    shape = (image.shape[0], image.shape[1])
    ways: dict[str, Callable[[], Any]] = {
        "bare": lambda: detector.detect(scaled),
        "ours": lambda: [
            (m.to_coco(shape), s) for m, s in segment(image, detector, diameter).found
        ],
        "torchvision": lambda: _torchvision_way(detector.detect(scaled), zoom, shape),
    }
    inside = _clocked(detector)
    seconds, added, found = _watched(ways[options.way])
    scores = found.scores if options.way == "bare" else np.array([s for _, s in found])
    return {
        "seconds": seconds,
        "inside": inside[0],
        "added": added / 1e6,
        "kept": len(scores),
        "nuclei": int((scores >= detector.card.threshold).sum()),
    }


def _clocked(detector: Any) -> list[float]:
    """Have a detector note the seconds that it takes, in a list of one."""
    seconds, detect = [0.0], detector.detect

    def clocked(*arguments: Any) -> Any:
        begun = time.perf_counter()
        found = detect(*arguments)
        seconds[0] += time.perf_counter() - begun
        return found

    detector.detect = clocked
    return seconds


def _image(path: Path | None) -> np.ndarray:
    if path is not None:
        from napari_nuclei.images.images import read_image

        return read_image(path)
    from napari_nuclei.synthetic.scenes import make_sample

    return make_sample("histology", seed=7, size=1000, nuclei=400)[0]


def _torchvision_way(found: Any, zoom: float, shape: tuple[int, int]) -> list[Any]:
    import torch
    from pycocotools import mask as coco_mask
    from torchvision.models.detection.roi_heads import paste_masks_in_image

    soft = torch.from_numpy(found.masks)[:, None].float() / 255
    full = paste_masks_in_image(soft, torch.from_numpy(found.boxes / zoom), shape)
    return [
        (coco_mask.encode(np.asfortranarray((m[0] >= 0.5).numpy().astype(np.uint8))), s)
        for m, s in zip(full, found.scores, strict=True)
    ]


def _watched(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return seconds, bytes of memory added at the peak, and the result."""
    process = psutil.Process()
    before = peak = process.memory_info().rss
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.005):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    begun = time.perf_counter()
    try:
        result = work()
    finally:
        seconds = time.perf_counter() - begun
        done.set()
        watcher.join()
    return seconds, max(peak, process.memory_info().rss) - before, result


if __name__ == "__main__":
    main()

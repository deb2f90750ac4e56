"""How long each file format takes to write and read very many nuclei.

Run as a script: ``python tests/benchmarks/formats.py [--nuclei 20000] [--side 4096]``. Prints the
median and the slowest of three, in s, the size of the files, and what did not come back as it was.
Folders of mask images have a file a nucleus, of the size of its image: 20,000 of them of one image
of 4096×4096 px are in nobody's use, so they are shared out over 500 images of 320×320 px.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from journal import made

from napari_nuclei.formats.beside import Beside
from napari_nuclei.formats.convert import read
from napari_nuclei.formats.dataset import DataSet, ImageRecord
from napari_nuclei.formats.registry import FORMATS, READABLE, write
from napari_nuclei.labels import draw
from napari_nuclei.nuclei import Nuclei, Nucleus, Origin

LIMIT = 3.0


def data_of(folder: Path, side: int, count: int, images: int = 1) -> DataSet:
    """Make images, and nuclei that lie on a grid in them."""
    data = DataSet([], {})
    each = made(side, count // images)
    pixels = np.random.default_rng(0).integers(0, 255, (side, side), np.uint8)
    for id in range(1, images + 1):
        name = f"image{id}.tif"
        tifffile.imwrite(folder / name, pixels)
        rows = (Nucleus(k, m, s, origin=Origin()) for k, (m, s) in enumerate(each, 1))
        data.images.append(ImageRecord(id, name, side, side))
        data.nuclei[id] = Nuclei((side, side), rows)
    return data


def times_of(act: Callable[[], object], before: Callable[[], object], rounds: int) -> list[float]:
    """Run something several times; seconds."""
    out = []
    for _ in range(rounds):
        before()
        begun = time.perf_counter()
        act()
        out.append(time.perf_counter() - begun)
    return out


def size_of(path: Path) -> int:
    """Return bytes of a file or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(f.stat().st_size for f in files if f.is_file())


def report(name: str, what: str, seconds: list[float], more: str = "") -> None:
    """Print one line."""
    median = statistics.median(seconds)
    verdict = "ok" if median < LIMIT else f"over {LIMIT:.0f} s"
    print(f"{name:<9} {what:<6} {median:7.2f} s {max(seconds):7.2f} s at most  {verdict:<9} {more}")


def measure(name: str, folder: Path, data: DataSet, rounds: int) -> None:
    """Write and read one format."""
    format = FORMATS[name]
    (folder / "out").mkdir()
    path = folder / "out" / f"image1{format.ending}"

    def clear() -> None:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def save() -> None:
        write(path, data, format, Beside(folder, 0.25))

    if format.writer:
        seconds = times_of(save, clear, rounds)
        report(name, "write", seconds, f"{size_of(path) / 1e6:8.1f} MB")
    elif name == "cellpose":
        path = folder / "out" / "image1_seg.npy"
        masks = draw(data.of(data.images[0]))
        np.save(path, {"masks": masks, "outlines": masks, "filename": "image1.tif"})  # type: ignore[arg-type]
    if name in READABLE:
        back: list[DataSet] = []
        seconds = times_of(lambda: back.append(read([path], Beside(folder))[0]), back.clear, rounds)
        pairs = zip(data.images, back[0].images, strict=True)
        same = sum(
            a.mask == b.mask
            for old, new in pairs
            for a, b in zip(data.of(old), back[0].of(new), strict=False)
        )
        total = sum(len(n) for n in data.nuclei.values())
        report(name, "read", seconds, f"{same:,} of {total:,} masks the same")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nuclei", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(FORMATS), metavar="FORMAT")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f} at the beginning")
    for name in options.only:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            if name == "masks":
                data = data_of(folder, 320, options.nuclei, 500)
            else:
                data = data_of(folder, options.side, options.nuclei)
            measure(name, folder, data, options.rounds)


if __name__ == "__main__":
    main()

"""How long each file format takes to write and read very many nuclei.

Run as a script: ``python tests/benchmarks/formats.py [--nuclei 20000] [--side 4096]``. Prints the
median and the slowest of three in s, the seconds that the processor was at work (which other
programs lengthen little), the size of the files, and what did not come back as it was.

For mask images the bare files are timed too, of the same number and size and with nothing else
done: on some disks that alone takes longer than all else, `--place` chooses another one.
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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tifffile
from journal import made

from napari_nuclei.formats.convert import read
from napari_nuclei.formats.dataset import DataSet
from napari_nuclei.formats.registry import FORMATS, READABLE
from napari_nuclei.formats.sidecar import Sidecar
from napari_nuclei.formats.writing import write
from napari_nuclei.nuclei import ImageRecord, Nuclei, Nucleus, Origin
from napari_nuclei.nuclei.labels import draw

LIMIT = 3.0

Times = tuple[list[float], list[float]]


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


def times_of(act: Callable[[], object], before: Callable[[], object], rounds: int) -> Times:
    """Run something several times; seconds, and those that the processor was at work."""
    out, cpu = [], []
    for _ in range(rounds):
        before()
        begun, began = time.perf_counter(), time.process_time()
        act()
        out.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - began)
    return out, cpu


def size_of(path: Path) -> int:
    """Return bytes of a file or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(f.stat().st_size for f in files if f.is_file())


def report(name: str, what: str, times: Times, more: str = "") -> None:
    """Print one line."""
    seconds, median, cpu = times[0], statistics.median(times[0]), statistics.median(times[1])
    verdict = "ok" if median < LIMIT else f"over {LIMIT:.0f} s"
    print(f"{name:<9} {what:<6} {median:7.2f} s {max(seconds):7.2f} s at most {cpu:6.2f} s CPU  "
          f"{verdict:<9} {more}")  # fmt: skip


def write_bare(source: Path, target: Path) -> Times:
    """Write files like those of a folder, with nothing else done but threads; seconds."""
    sizes: dict[Path, list[int]] = {}
    for file in source.rglob("*.png"):
        sizes.setdefault(target / file.parent.relative_to(source), []).append(file.stat().st_size)

    def fill(folder: Path, of: list[int]) -> None:
        folder.mkdir(parents=True)
        for k, size in enumerate(of):
            (folder / str(k)).write_bytes(bytes(size))

    with ThreadPoolExecutor(8) as pool:
        return times_of(lambda: list(pool.map(fill, sizes, sizes.values())), lambda: None, 1)


def measure(name: str, folder: Path, data: DataSet, rounds: int) -> None:
    """Write and read one format."""
    format = FORMATS[name]
    (folder / "out").mkdir()
    path = folder / "out" / f"image1{format.ending}"

    def clear() -> None:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def save() -> None:
        write(path, data, format, Sidecar(folder, 0.25))

    if format.writer:
        times = times_of(save, clear, rounds)
        report(name, "write", times, f"{size_of(path) / 1e6:8.1f} MB")
        if name == "masks":
            report(name, "bare", write_bare(path, folder / "bare"), "files alone")
            shutil.rmtree(folder / "bare")
    elif name == "cellpose":
        path = folder / "out" / "image1_seg.npy"
        masks = draw(data.of(data.images[0]))
        np.save(path, {"masks": masks, "outlines": masks, "filename": "image1.tif"})  # type: ignore[arg-type]
    if name in READABLE:
        back: list[DataSet] = []
        times = times_of(lambda: back.append(read([path], Sidecar(folder))[0]), back.clear, rounds)
        pairs = zip(data.images, back[0].images, strict=True)
        same = sum(
            a.mask == b.mask
            for old, new in pairs
            for a, b in zip(data.of(old), back[0].of(new), strict=False)
        )
        total = sum(len(n) for n in data.nuclei.values())
        report(name, "read", times, f"{same:,} of {total:,} masks the same")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nuclei", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(FORMATS), metavar="FORMAT")
    parser.add_argument("--place", type=Path, help="folder on the disk to measure")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f} at the beginning")
    for name in options.only:
        with tempfile.TemporaryDirectory(dir=options.place) as place:
            folder = Path(place)
            if name == "masks":
                data = data_of(folder, 320, options.nuclei, 500)
            else:
                data = data_of(folder, options.side, options.nuclei)
            measure(name, folder, data, options.rounds)


if __name__ == "__main__":
    main()

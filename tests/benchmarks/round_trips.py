"""What of nuclei survives other tools: write → their reader → their writer → read.

Run as a script: ``python tests/benchmarks/round_trips.py [COCO.json ...] [--python PYTHON]``.
PYTHON is the interpreter that has the other tools (pycocotools, datumaro, geojson, shapely,
roifile, tifffile, cellpose); those that it lacks are named and left out. Without a file the
project's samples are taken. Prints a table: IoU of each nucleus with what came back.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from foreign_tools import MISSING
from PIL import Image

from napari_nuclei.formats import coco
from napari_nuclei.formats.convert import read
from napari_nuclei.formats.dataset import DataSet
from napari_nuclei.formats.registry import FORMATS
from napari_nuclei.formats.sidecar import Sidecar
from napari_nuclei.formats.writing import write
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import ImageRecord, Nuclei, Nucleus
from napari_nuclei.resources import resource_folder

HERE = Path(__file__).parent
TRIPS = [
    ("coco", "pycocotools", ".coco.json"),
    ("coco", "datumaro", ".coco.json"),
    ("coco", "datumaro_masks", ".coco.json"),
    ("coco", "contours", ".coco.json"),
    ("geojson", "geojson", ".geojson"),
    ("geojson", "shapely", ".geojson"),
    ("imagej", "roifile", ".rois.zip"),
    ("labels", "tifffile", ".labels.tif"),
    ("labels", "cellpose", "_seg.npy"),
    ("labels", "cellpose_rois", ".rois.zip"),
]
"""Format written, tool, ending of what the tool writes."""


@dataclass
class Outcome:
    """How nuclei came back."""

    ious: list[float] = field(default_factory=list)
    lost: int = 0
    ids: int = 0
    scores: int = 0

    def add(self, before: Nuclei, after: Nuclei) -> None:
        """Match each with the one that overlaps it most, of equals that with its id."""
        for nucleus in before.shown():
            near = _nearest(nucleus, after)
            if near is None:
                self.lost += 1
                continue
            self.ious.append(nucleus.mask.iou(near.mask))
            self.ids += near.id == nucleus.id
            self.scores += abs(near.score - nucleus.score) < 1e-5

    def line(self, name: str) -> str:
        """Return a row of the table."""
        ious = np.array(self.ious or [0.0])
        total = len(self.ious) + self.lost
        exact = 100 * float((ious == 1).sum()) / total
        cells = [name, f"{total:,}", f"{exact:.2f} %", f"{ious.mean():.4f}", f"{ious.min():.3f}"]
        kept = [f"{100 * number / total:.0f} %" for number in (self.ids, self.scores)]
        cells += [f"{self.lost:,}", *kept]
        return "| " + " | ".join(cells) + " |"


def _nearest(nucleus: Nucleus, others: Nuclei) -> Nucleus | None:
    near = others.in_box(nucleus.mask.box)
    found = [(n.mask.iou(nucleus.mask), n.id == nucleus.id, n.id) for n in near]
    best = max(found, default=(0.0, False, 0))
    return others[best[2]] if best[0] > 0 else None


def trip(data: DataSet, trip: tuple[str, str, str], python: str) -> Outcome | str:
    """Send all images through one tool; a text says why that cannot be."""
    name, tool, ending = trip
    format = FORMATS[name]
    outcome = Outcome()
    whole = [data]
    if format.per_image:
        whole = [DataSet([image], {image.id: data.of(image)}) for image in data.images]
    with tempfile.TemporaryDirectory() as place:
        for number, part in enumerate(whole):
            folder = Path(place) / str(number)
            (folder / "back").mkdir(parents=True)
            stem = Path(part.images[0].file_name).stem
            source, out = folder / f"{stem}{format.ending}", folder / "back" / f"{stem}{ending}"
            write(source, part, format, Sidecar())
            for image in part.images if format.per_image else ():
                Image.new("L", image.shape[::-1]).save(folder / f"{stem}.png")
            command = [python, str(HERE / "foreign_tools.py"), tool, str(source), str(out)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == MISSING:
                return f"not installed: {done.stdout.strip()}"
            if done.returncode or not out.exists():
                return f"failed: {done.stderr.strip().splitlines()[-1:]}"
            back, _ = read([out], Sidecar(folder))
            by_name = {Path(i.file_name).stem: back.of(i) for i in back.images}
            for image in part.images:
                outcome.add(part.of(image), by_name[Path(image.file_name).stem])
    return outcome


def overlapping(data: DataSet) -> DataSet:
    """Return the same nuclei grown by two pixels, so that many overlap, and with scores."""
    from scipy import ndimage

    out = DataSet(data.images, {})
    random = np.random.default_rng(0)
    for image in data.images:
        rows = []
        for n in data.of(image).shown():
            wide = np.pad(n.mask.to_array(), 2)
            grown = Mask.from_array(
                ndimage.binary_dilation(wide, iterations=2), n.mask.y - 2, n.mask.x - 2
            )
            rows.append(Nucleus(n.id, grown.clip(image.shape), float(random.uniform(0.3, 1))))
        out.nuclei[image.id] = Nuclei(image.shape, rows)
    return out


def chosen(path: Path, most: int) -> DataSet:
    """Read a data set, or the images of it that hold the most nuclei."""
    data = coco.read(path)
    ranked = sorted(data.images, key=lambda i: -len(data.of(i)))[:most]
    flat = [ImageRecord(i.id, Path(i.file_name).name, *i.shape) for i in ranked]
    return DataSet(flat, {i.id: data.of(i) for i in flat})


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="COCO.json")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--images", type=int, default=10, help="of each file, the fullest ones")
    options = parser.parse_args()
    files = options.files or [resource_folder("sample_data") / "truth.json"]
    for path in files:
        data = chosen(path, options.images)
        name = "/".join(path.parts[-2:])
        for title, of in ((name, data), (f"{name}, grown by 2 px", overlapping(data))):
            print(f"\n{title}: {len(of.images)} images")
            print("| written → tool | nuclei | same | mean IoU | least | lost | ids | scores |")
            print("|---|---|---|---|---|---|---|---|")
            for each in TRIPS:
                found = trip(of, each, options.python)
                label = f"{each[0]} → {each[1]}"
                print(
                    found.line(label) if isinstance(found, Outcome) else f"{label}: {found}",
                    flush=True,
                )


if __name__ == "__main__":
    main()

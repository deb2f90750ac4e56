"""All file formats: their names, endings, readers and writers.

Here: the one list that the command line, napari and the export dialog use. Not here: telling them
apart (`detect.py`), the formats themselves: a file each, loaded when they are called.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..nuclei import NUCLEUS
from .dataset import DataSet


@dataclass(frozen=True, slots=True)
class Format:
    """A file format.

    Attributes
    ----------
    name : str
        For the command line.
    title : str
        For menus.
    about : str
        What it holds, in a sentence.
    endings : tuple of str
        Of its files; the first one is written. None for folders.
    reader, writer : str
        ``module:function``, empty if there is none. Of formats with a file an image they are
        ``read(path, beside) -> (ImageRecord, Nuclei)`` and
        ``write(path, image, nuclei, beside)``; of others ``read(path, beside) -> DataSet`` and
        ``write(path, data, beside)``.
    per_image : bool
        Whether there is one file an image.
    categories, crowds : bool
        Whether it has a place for categories of nuclei, and for areas to ignore.
    """

    name: str
    title: str
    about: str
    endings: tuple[str, ...]
    reader: str = ""
    writer: str = ""
    per_image: bool = False
    categories: bool = False
    crowds: bool = False

    @property
    def ending(self) -> str:
        """What files are written with; empty for folders."""
        return self.endings[0] if self.endings else ""


FORMATS = {
    f.name: f
    for f in (
        Format(
            "coco",
            "COCO data set",
            "All nuclei with their states and what the model had said. It can be opened again "
            "and worked on.",
            (".coco.json", ".json"),
            "adapters:read_coco",
            "adapters:write_coco",
            categories=True,
            crowds=True,
        ),
        Format(
            "results",
            "Competition results",
            "The nuclei that are shown, as a competition wants them handed in: a list of masks "
            "with scores.",
            (".results.json",),
            "adapters:read_results",
            "adapters:write_results",
            categories=True,
        ),
        Format(
            "labels",
            "Label image (TIFF)",
            "An image whose pixels are the ids, for ImageJ, Cellpose and scripts. Where nuclei "
            "overlap, the upper one is kept.",
            (".labels.tif", ".tif", ".tiff"),
            "adapters:read_labels",
            "adapters:write_labels",
            per_image=True,
        ),
        Format(
            "geojson",
            "GeoJSON for QuPath",
            "Outlines with holes, ids, states and scores: in QuPath, drop the file on its image.",
            (".geojson",),
            "geojson_reader:read",
            "geojson:write",
            per_image=True,
            categories=True,
            crowds=True,
        ),
        Format(
            "imagej",
            "ImageJ ROIs (zip)",
            "Outlines for the ROI Manager of ImageJ and Fiji.",
            (".rois.zip", ".zip", ".roi"),
            "imagej:read",
            "imagej:write",
            per_image=True,
            categories=True,
        ),
        Format(
            "table",
            "Table (CSV)",
            "A row a nucleus: state, score, shape and intensities, in px and µm. No masks.",
            (".csv",),
            "",
            "table:write_csv",
            categories=True,
        ),
        Format(
            "parquet",
            "Table (Parquet)",
            "The same table, smaller and faster to read. Needs pyarrow.",
            (".parquet",),
            "",
            "table:write_parquet",
            categories=True,
        ),
        Format(
            "dsb",
            "Data Science Bowl CSV",
            "Run lengths, a line a nucleus, as the 2018 Data Science Bowl wants them handed in. "
            "Where nuclei overlap, the upper one is kept.",
            (".dsb.csv", ".csv"),
            "run_lengths:read",
            "run_lengths:write",
        ),
        Format(
            "masks",
            "Folder of mask images",
            "A folder an image, in it a PNG a nucleus, as the 2018 Data Science Bowl has them.",
            (),
            "adapters:read_masks",
            "mask_pngs:write",
        ),
        Format(
            "cellpose",
            "Cellpose (_seg.npy)",
            "What Cellpose saves; read without running what such a file could carry.",
            ("_seg.npy", ".npy"),
            "cellpose:read",
            per_image=True,
        ),
    )
}
"""All formats by name."""

READABLE = tuple(f.name for f in FORMATS.values() if f.reader)
WRITABLE = tuple(f.name for f in FORMATS.values() if f.writer)


def function(path: str) -> Any:
    """Load a reader or writer."""
    module, _, name = path.partition(":")
    return getattr(import_module(f".{module}", __package__), name)


def named(name: str, wanted: Sequence[str]) -> Format:
    """Look a format up by its name.

    Raises
    ------
    UserError
        If there is none of this name among those wanted.
    """
    if name not in wanted:
        raise UserError(f"there is no format {name!r} here: choose one of {', '.join(wanted)}")
    return FORMATS[name]


def by_ending(name: str) -> Format | None:
    """Return the format that a file to be written is meant to be, by its ending; the longest."""
    lower = name.lower()
    if lower.endswith("json.gz"):  # written compressed
        lower = lower.removesuffix(".gz")
    fitting = [
        (len(ending), -order, f)
        for order, f in enumerate(FORMATS.values())
        for ending in f.endings
        if f.writer and lower.endswith(ending)
    ]
    return max(fitting, key=lambda each: each[:2], default=(0, 0, None))[2]


def write(path: Path, data: DataSet, format: Format, beside: Any) -> list[Path]:
    """Write a data set in any format.

    Parameters
    ----------
    path : path
        A file; a folder for formats with a file an image, if there are several images or the
        path has no ending.
    data : DataSet
        The nuclei that are shown are written.
    format : Format
        One with a writer.
    beside : Beside
        Takes remarks on what the format cannot hold.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    UserError
        If it cannot be written.
    """
    from .places import places

    write_one = function(format.writer)
    beside.remarks += losses(path.name, data, format)
    beside.categories |= {category.name: category for category in data.all_categories}
    if not format.per_image:
        written = write_one(path, data, beside)
        return written if isinstance(written, list) else [path]
    paths = places(path, data.images, format)
    for image, place in zip(data.images, paths, strict=True):
        write_one(place, image, data.of(image), beside)
    return paths


def losses(name: str, data: DataSet, format: Format) -> list[str]:
    """Say what of a data set a format has no place for, a line each.

    Parameters
    ----------
    name : str
        What is written.
    """
    out = []
    classes = [c for c in data.in_use if c != NUCLEUS]
    if classes and not format.categories:
        listed = ", ".join(classes[:3]) + ", …" * (len(classes) > 3)
        out.append(
            f"{name}: categories ({listed}) are left out: this format has none. COCO keeps them."
        )
    if (count := data.crowds) and not format.crowds:
        areas = "1 area to ignore is" if count == 1 else f"{count:,} areas to ignore are"
        out.append(
            f"{name}: {areas} left out (iscrowd): this format has no place for them. COCO and "
            "GeoJSON keep them."
        )
    return out

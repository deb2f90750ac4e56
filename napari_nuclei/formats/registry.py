"""All file formats: their names, endings, readers and writers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import FormatError
from ..streams import is_stream, name_of
from .format import Format

FORMATS = {
    f.name: f
    for f in (
        Format(
            "coco",
            "COCO data set",
            "All nuclei with their states and the model's own masks. It can be reopened and "
            "worked on.",
            (".coco.json", ".json"),
            "adapters:read_coco",
            "adapters:write_coco",
            categories=True,
            crowds=True,
        ),
        Format(
            "results",
            "Competition results",
            "The nuclei shown, as a competition submission: a list of masks with scores.",
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
            "One row per nucleus: state, score, shape and intensities, in px and µm. No masks.",
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
            needs="pyarrow",
        ),
        Format(
            "dsb",
            "Data Science Bowl CSV",
            "Run lengths, one line per nucleus, as submitted to the 2018 Data Science Bowl. "
            "Where nuclei overlap, the upper one is kept.",
            (".dsb.csv", ".csv"),
            "run_lengths:read",
            "run_lengths:write",
        ),
        Format(
            "masks",
            "Folder of mask images",
            "One folder per image with one PNG per nucleus, as in the 2018 Data Science Bowl.",
            (),
            "adapters:read_masks",
            "mask_pngs:write",
        ),
        Format(
            "cellpose",
            "Cellpose (_seg.npy)",
            "What Cellpose saves; read without running any code in it.",
            ("_seg.npy", ".npy"),
            "cellpose:read",
            per_image=True,
        ),
    )
}
"""All formats by name."""

READABLE = tuple(f.name for f in FORMATS.values() if f.reader)
WRITABLE = tuple(f.name for f in FORMATS.values() if f.writer)


def offered() -> list[str]:
    """List the formats that can be written with what is installed."""
    return [name for name in WRITABLE if FORMATS[name].is_there]


def named(name: str, wanted: Sequence[str]) -> Format:
    """Look a format up by its name.

    Raises
    ------
    UserError
        If there is none of this name among those wanted.
    """
    if name not in wanted:
        raise FormatError(f"there is no format {name!r}: choose one of {', '.join(wanted)}")
    return FORMATS[name]


JSON = ("coco", "results", "geojson")
"""Formats of which a mere ``.json`` says nothing wrong."""


def target_of(path: Path, name: str | None, option: str) -> Format:
    """Return the format that a file is to be written in: as it is named, or by its ending.

    Parameters
    ----------
    path : path
        The file, or the folder.
    name : str, optional
        Of the format.
    option : str
        What a format is named with, for messages.

    Raises
    ------
    UserError
        If neither says it, or a library is missing.
    """
    chosen = named(name, WRITABLE) if name is not None else None
    if chosen is None and path.is_dir():
        raise FormatError(
            f"{path} is a folder: name a file in it, such as {path / 'nuclei.coco.json'}, or "
            f"with {option} a format with one file per image"
        )
    chosen = chosen or by_ending(path.name)
    if chosen is None:
        known = ", ".join(FORMATS[n].ending for n in WRITABLE if FORMATS[n].ending)
        raise FormatError(
            f"the extension of {path} names no format ({known}): name one with {option}"
        )
    if is_stream(path) and not chosen.endings:
        raise FormatError(
            f"a {chosen.title.lower()} cannot be written to {name_of(path)}: name a folder"
        )
    if not chosen.is_there:
        raise FormatError(
            f"{chosen.title} needs {chosen.needs}, which is not installed: "
            f'pip install "napari-nuclei[{chosen.name}]", or choose another format'
        )
    return chosen


def odd_ending(path: Path, format: Format) -> str:
    """Say in a line that the ending of a file to be written is not its format's; empty if it is."""
    if not path.suffix or path.is_dir() or is_stream(path) or not format.endings:
        return ""
    said, own = by_ending(path.name), _longest(format, path.name)
    if own == ".roi":
        return f"{path.name} is a zip of ROIs: ImageJ opens it once it is called {path.stem}.zip."
    mere_json = said is not None and _longest(said, path.name) == ".json"
    if mere_json and format.name in JSON:
        return ""
    if said is not None and len(own) < len(_longest(said, path.name)):
        return f"{path.name} is written as {format.title}, but its extension says {said.title}."
    known = ", ".join(format.endings)
    return "" if own else f"{path.name} is written as {format.title}, which ends with {known}."


def _longest(format: Format, name: str) -> str:
    """Return the ending of a format that a name has; empty if it has none."""
    return max((e for e in format.endings if _plain(name).endswith(e)), key=len, default="")


def _plain(name: str) -> str:
    """Return a name in small letters, without what says that its JSON is compressed."""
    lower = name.lower()
    return lower.removesuffix(".gz") if lower.endswith("json.gz") else lower


def by_ending(name: str) -> Format | None:
    """Return the format that a file to be written is meant to be, by its ending; the longest."""
    lower = _plain(name)
    fitting = [
        (len(ending), -order, f)
        for order, f in enumerate(FORMATS.values())
        for ending in f.endings
        if f.writer and lower.endswith(ending)
    ]
    return max(fitting, key=lambda each: each[:2], default=(0, 0, None))[2]

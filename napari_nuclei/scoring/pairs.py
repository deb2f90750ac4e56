"""Truth and predictions as they are given, files or values, joined to be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..atomic_files import read_json
from ..formats import coco, results
from ..formats.convert import read
from ..formats.dataset import DataSet
from ..formats.detect import detect
from ..formats.naming import joined
from ..formats.sidecar import Sidecar
from ..nuclei import Nuclei

Given = str | Path | DataSet | Nuclei


def pair_of(truth: Given, predictions: Given, sidecar: Sidecar) -> tuple[Any, Any]:
    """Read what is a file, and join the two by file name; a file of results goes by image id.

    Raises
    ------
    UserError
        If one of them cannot be read, or the two are not of the same images.
    """
    pair = _value(truth, False, sidecar), _value(predictions, True, sidecar)
    return pair if isinstance(pair[1], results.Results) else joined(*pair)


def _value(given: Given, listed: bool, sidecar: Sidecar) -> Any:
    if not isinstance(given, str | Path):
        return given
    if listed and (format := detect(Path(given))) and format.name == "results":
        return results.from_json(read_json(given), str(given), sidecar.remarks)
    if Path(given).suffix.lower() == ".json":
        return coco.read(given, sidecar.remarks)
    own = Sidecar()  # where the images of one file lie says nothing of the other's
    data, _ = read([Path(given)], own)
    sidecar.failed += own.failed
    sidecar.remarks += own.remarks
    return data

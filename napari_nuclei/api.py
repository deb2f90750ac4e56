"""What a script or a notebook calls: segment, read, write, score.

Here: thin functions that take paths and arrays as they come. Not here: what they do it with
(`prediction/`, `formats/`, `scoring/`). All of them can be had from `napari_nuclei` itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .errors import UserError
from .formats.beside import Beside
from .formats.dataset import DataSet, ImageRecord
from .nuclei import Nuclei

if TYPE_CHECKING:
    from .models.detector import Detector
    from .scoring.scoring import Figures

AnyPath = str | Path


def segment(
    image: AnyPath | ArrayLike,
    model: str | None = None,
    *,
    diameter: float | None = None,
    score: float | None = None,
    plane: int | None = None,
    channels: int | Sequence[int] | None = None,
    device: str = "auto",
) -> Nuclei:
    """Segment the nuclei of an image.

    Parameters
    ----------
    image : path or array-like, (H, W) or (H, W, C)
        Of any real type; brought to the range of the network by percentiles.
    model : str, optional
        Name of a model or path of its weights; by default the one in use. It is kept in memory
        for the next call.
    diameter : float, optional
        Diameter of a typical nucleus in px; estimated by default.
    score : float, optional
        Proposals from this score on are shown; by default the model card's threshold. Those
        below are kept, so the threshold can be lowered later.
    plane : int, optional
        Of a file with a stack, from 0.
    channels : int or sequence of int, optional
        Of an image with several.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Returns
    -------
    Nuclei
        With a picture in notebooks. ``for nucleus in nuclei.shown()`` goes through those that
        count; each has a cropped `mask`, a `score` and an `id`.

    Raises
    ------
    UserError
        If the image or the model cannot be read.

    Examples
    --------
    >>> import napari_nuclei
    >>> nuclei = napari_nuclei.segment("fluorescence_1.png")
    >>> len(list(nuclei.shown())) > 20
    True
    >>> nucleus = next(nuclei.shown())
    >>> nucleus.mask.area > 50, 0 < nucleus.score <= 1
    (True, True)
    """
    from .edits import propose
    from .images.images import read_image
    from .models.registry import current
    from .prediction.predict import LOW
    from .prediction.predict import segment as predict

    if isinstance(image, str | Path):
        pixels = read_image(image, plane=plane, channels=channels)
    else:
        from .images.images import normalize

        # Several channels were chosen from a file as it was read; an array still has them all.
        pixels = np.asarray(image)
        pixels = pixels if channels is None else normalize(pixels, channels)
    detector = _detector(model or current().name, device)
    threshold = detector.card.threshold if score is None else score
    found = predict(pixels, detector, diameter, min(LOW, threshold)).found
    nuclei = Nuclei((pixels.shape[0], pixels.shape[1]))
    nuclei.apply(propose(nuclei, found, detector.card.name, threshold))
    return nuclei


@lru_cache(maxsize=1)
def _detector(model: str, device: str) -> Detector:
    from . import models

    return models.load(model, device)


def read(
    path: AnyPath | Sequence[AnyPath],
    *,
    images: AnyPath | None = None,
    format: str | None = None,
    split: bool = False,
) -> DataSet:
    """Read nuclei from a file, or files, of any format.

    Parameters
    ----------
    path : path or sequence of paths
        COCO, results, GeoJSON, ImageJ ROIs, label images, `_seg.npy`, Data Science Bowl, or a
        folder of them.
    images : path, optional
        Folder of the images; by default they are looked for beside the file. Formats that do
        not say how large an image is need it.
    format : str, optional
        Name of the format; found out by default.
    split : bool
        Make each separate piece of a nucleus one of its own, as masks of 0 and 255 want it.

    Returns
    -------
    DataSet
        Goes through its images: ``for image, nuclei in data``.

    Raises
    ------
    UserError
        If it cannot be read. What was left out comes as a warning.

    Examples
    --------
    >>> import napari_nuclei
    >>> data = napari_nuclei.read("truth.json")
    >>> for image, nuclei in data:
    ...     print(image.file_name, len(nuclei))
    ...     break
    fluorescence_1.png 23
    """
    from .formats.convert import read as read_any

    given = [path] if isinstance(path, str | Path) else list(path)
    beside = Beside(Path(images) if images is not None else None, split=split)
    data, _ = read_any([Path(p) for p in given], beside, format)
    _warn(beside)
    return data


def write(
    path: AnyPath,
    nuclei: Nuclei | DataSet,
    *,
    image: AnyPath | None = None,
    format: str | None = None,
    pixel_size: float | None = None,
) -> list[Path]:
    """Write nuclei to a file of any format.

    Parameters
    ----------
    path : path
        Its ending says the format, unless `format` does: ``.coco.json``, ``.results.json``,
        ``.labels.tif``, ``.geojson``, ``.rois.zip``, ``.csv``, ``.parquet``, ``.dsb.csv``.
    nuclei : Nuclei or DataSet
        Those that are shown are written.
    image : path, optional
        The image of the nuclei, for its name and for intensities in tables. For a data set the
        folder of its images.
    format : str, optional
        Name of the format.
    pixel_size : float, optional
        Side of a pixel in µm.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    UserError
        If it cannot be written. What the format cannot hold comes as a warning.

    Examples
    --------
    >>> import napari_nuclei
    >>> data = napari_nuclei.read("truth.json")
    >>> image, nuclei = next(iter(data))
    >>> napari_nuclei.write("for_qupath.geojson", nuclei, image=image.file_name)
    [PosixPath('for_qupath.geojson')]
    >>> back = napari_nuclei.read("for_qupath.geojson")
    >>> len(next(iter(back))[1]) == len(nuclei)
    True
    """
    from .formats.registry import WRITABLE, by_ending, named
    from .formats.registry import write as write_any

    path = Path(path)
    target = named(format, WRITABLE) if format else by_ending(path.name)
    if target is None:
        raise UserError(f"{path} does not say its format by its ending: name it with format=")
    beside = Beside(pixel_size=pixel_size)
    if image is not None:
        image = Path(image)
        beside.images = image if isinstance(nuclei, DataSet) else image.parent
    data = _data_set(nuclei, image.name if image is not None else "image")
    written = write_any(path, data, target, beside)
    _warn(beside)
    return written


def score(
    truth: AnyPath | DataSet | Nuclei,
    predictions: AnyPath | DataSet | Nuclei,
    *,
    score: float = 0.5,
    max_detections: int | Sequence[int] = 2000,
) -> Figures:
    """Score predictions against the truth.

    Parameters
    ----------
    truth, predictions : path, DataSet or Nuclei
        Images are joined by file name; a file of results is joined by image id.
    score : float
        The figures without a ranking use predictions with this score and above.
    max_detections : int or sequence of int
        Best predictions of each image that AP takes into account.

    Returns
    -------
    Figures
        `ap50`, `ap75`, `ap`, `precision50`, `recall50`, `f1_50`, `pq` and others.

    Raises
    ------
    UserError
        If the two are not of the same images.

    Examples
    --------
    >>> import napari_nuclei
    >>> data = napari_nuclei.read("truth.json")
    >>> napari_nuclei.score(data, "truth.json").f1_50
    1.0
    """
    from .formats import coco, results
    from .formats.files import read_json
    from .scoring import scoring

    def of(value: AnyPath | DataSet | Nuclei, is_truth: bool) -> Any:
        if not isinstance(value, str | Path):
            return _data_set(value, "image")
        loaded = None if is_truth or Path(value).suffix.lower() != ".json" else read_json(value)
        if isinstance(loaded, list):
            return results.from_json(loaded, str(value))
        return coco.read(value) if Path(value).suffix.lower() == ".json" else read(value)

    return scoring.score(of(truth, True), of(predictions, False), score, max_detections)


def _data_set(nuclei: Nuclei | DataSet, name: str) -> DataSet:
    if isinstance(nuclei, DataSet):
        return nuclei
    return DataSet([ImageRecord(1, name, *nuclei.shape)], {1: nuclei})


def _warn(beside: Beside) -> None:
    for remark in dict.fromkeys(beside.remarks):
        warnings.warn(remark, stacklevel=3)

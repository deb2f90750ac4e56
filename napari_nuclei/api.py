"""What a script or a notebook calls: segment, read, write, score.

All of them can be had from `napari_nuclei` itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from . import checks
from .errors import UserError
from .formats.dataset import DataSet
from .formats.sidecar import Sidecar
from .nuclei import Nuclei
from .wording import Place, read_here

if TYPE_CHECKING:
    from .models.detector import Detector
    from .scoring.scoring import Figures

AnyPath = str | Path


@read_here(Place.PYTHON)
def segment(
    image: AnyPath | ArrayLike,
    model: AnyPath | None = None,
    *,
    diameter: float | None = None,
    score: float | None = None,
    plane: int | None = None,
    channels: int | Sequence[int] | None = None,
    axes: str | None = None,
    device: str = "auto",
) -> Nuclei:
    """Segment the nuclei of an image.

    Parameters
    ----------
    image : path or array-like
        Of any real type; brought to the range of the network by percentiles. An array is
        (H, W), (H, W, 3) for RGB, (H, W, C) for channels or (…, H, W) for planes, or what `axes`
        says; dask, zarr and xarray are read tile by tile.
    model : str or path, optional
        Name of a model or path of its weights; by default the one in use. It is kept in memory
        for the next call.
    diameter : float, optional
        Diameter of a typical nucleus in px; estimated by default.
    score : float, optional
        Proposals from this score on are shown; by default the model card's threshold. Those
        below are kept, so the threshold can be lowered later.
    plane : int, optional
        Of a stack, from 0, counted in its own order.
    channels : int or sequence of int, optional
        Of an image with several, from 0; up to three.
    axes : str, optional
        What the axes of an array are, a letter each: Y, X; C for channels, S for RGB, Z, T or
        others for planes, as in ``"ZYX"`` or ``"CYX"``.
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
        If image or model cannot be read, or of several planes or channels none is named.

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
    from .formats.naming import record_of
    from .images.arrays import open_any
    from .models.registry import current, find
    from .nuclei.edits import propose

    diameter = None if diameter is None else checks.positive(diameter, "diameter")
    score = None if score is None else checks.share(score, "score")
    plane = None if plane is None else checks.whole(plane, "plane")
    chosen = None if channels is None else checks.several(channels, "channels", checks.whole)
    name = str(model or current().name)
    sha256 = find(name).sha256  # before torch is loaded, which takes long
    picture = open_any(image, axes, plane, chosen)
    record = record_of(image, picture.shape, plane) if isinstance(image, str | Path) else None
    detector = _detector(name, device, sha256)
    from .prediction.predict import LOW
    from .prediction.predict import segment as predict

    threshold = detector.card.threshold if score is None else score
    found = predict(picture, detector, diameter, min(LOW, threshold)).found
    nuclei = Nuclei(picture.shape, image=record)
    propose(nuclei, found, detector.card.name, threshold).apply_to(nuclei)
    return nuclei


@lru_cache(maxsize=1)
def _detector(model: str, device: str, sha256: str) -> Detector:
    from . import models  # another one of the same name has another SHA-256

    return models.load(model, device)


@read_here(Place.PYTHON)
def read(
    path: AnyPath | Sequence[AnyPath],
    *,
    images: AnyPath | None = None,
    format: str | None = None,
    strict: bool = False,
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
    strict : bool
        Whether a broken entry is an error; otherwise it is left out or mended.
    split : bool
        Make each separate piece of a nucleus one of its own, as masks of 0 and 255 want it.

    Returns
    -------
    DataSet
        Goes through its images: ``for image, nuclei in data``.

    Raises
    ------
    UserError
        If it cannot be read. What was left out or mended comes as a warning.

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
    folder = None if images is None else Path(images)
    if folder is not None and not folder.is_dir():
        raise UserError(f"{folder} is not a folder of images: choose one")
    sidecar = Sidecar(folder, strict=strict, split=split)
    data, _ = read_any([Path(p) for p in given], sidecar, format)
    for record in data.images:
        data.of(record).image = record
    _warn(sidecar)
    return data


@read_here(Place.PYTHON)
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
        The image of the nuclei, for its name and for intensities in tables; by default the one
        that they were segmented in or read with. For a data set the folder of its images.
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
        If it cannot be written. What the format cannot hold, and a made-up name, come as warnings.

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
    from .formats.naming import named
    from .formats.registry import odd_ending, target_of
    from .formats.writing import write as write_any

    path = Path(path)
    target = target_of(path, format, "format=")
    size = None if pixel_size is None else checks.positive(pixel_size, "pixel_size")
    sidecar = Sidecar(pixel_size=size)
    file = None if image is None else Path(image)
    if isinstance(nuclei, DataSet):
        if file is not None and not file.is_dir():
            raise UserError(
                f"{file} is not a folder: for a data set, image= is the folder of its images"
            )
        sidecar.images, data = file, nuclei
    else:
        sidecar.images = None if file is None else file.parent
        data = named(nuclei, file, path, target, sidecar)
    written = write_any(path, data, target, sidecar)
    sidecar.remarks += filter(None, [odd_ending(path, target)])
    _warn(sidecar)
    return written


@read_here(Place.PYTHON)
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
        `ap50`, `ap75`, `ap`, `precision50`, `recall50`, `f1_50`, `pq`, `aji` and others;
        `by_modality` and `by_image` have those of a kind of image and of each image.

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
    from .scoring import scoring
    from .scoring.pairs import pair_of

    checks.share(score, "score")
    caps = checks.several(max_detections, "max_detections", checks.count)
    sidecar = Sidecar()
    pair = pair_of(truth, predictions, sidecar)
    _warn(sidecar)
    return scoring.score(*pair, score, caps)


def _warn(sidecar: Sidecar) -> None:
    for remark in dict.fromkeys([*sidecar.failed, *sidecar.remarks]):
        warnings.warn(remark, stacklevel=4)

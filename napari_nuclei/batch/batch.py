"""Many images: each read, segmented and handed on, one bad file not stopping the rest."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from ..formats.image_sizes import other_size
from ..images.large_files import open_image
from ..images.large_image import LargeImage
from ..masks import Mask
from ..models.card import Card
from ..models.detector import Detector
from ..nuclei import Nuclei
from ..nuclei.edits import propose
from ..prediction import LOW
from ..progress import Progress, within
from .resume import Finished


@dataclass(frozen=True, slots=True)
class Segmented:
    """One image that is done.

    Attributes
    ----------
    path : Path
        The image's file.
    pixels : array
        As read; of a large image one that reads what is asked of it.
    nuclei : Nuclei
        What was found, with the threshold asked for.
    diameter : float
        Diameter of the typical nucleus that the image was scaled by, in px.
    earlier : bool
        Whether an earlier run had found them.
    """

    path: Path
    pixels: NDArray[np.generic]
    nuclei: Nuclei
    diameter: float
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """One image that could not be read or segmented, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Settings:
    """How images are segmented.

    Attributes
    ----------
    score : float or None
        Score from which on nuclei are shown; the model card's threshold by default.
    hidden : bool
        Whether those of lower scores are kept too, for a review. Without, no time is spent on
        their masks.
    diameter : float or None
        Diameter of the typical nucleus in px; estimated for each image by default.
    plane, channels : int and sequence of int, or None
        Which part of a stack or multichannel image is segmented.
    sizes : dict
        Image → (height, width) that it must have.
    """

    score: float | None = None
    hidden: bool = True
    diameter: float | None = None
    plane: int | None = None
    channels: Sequence[int] | None = None
    sizes: dict[Path, tuple[int, int]] = field(default_factory=dict)


def segment_files(
    paths: Sequence[Path],
    detector: Detector,
    settings: Settings | None = None,
    finished: Finished | None = None,
) -> Iterator[Progress]:
    """Segment images one after another; the next one is read meanwhile.

    Parameters
    ----------
    paths : sequence of Path
        Image files and zarrs.
    detector : Detector
        A loaded model.
    settings : Settings, optional
        How they are segmented.
    finished : Finished, optional
        What earlier runs have found, which is not looked for again.

    Yields
    ------
    Progress
        In images; `new` is a `Segmented` or a `Failed` as each becomes ready.
    """
    settings = settings or Settings()
    with ThreadPoolExecutor(1, "read") as pool:
        ahead: Future[LargeImage] | None = None
        for done, path in enumerate(paths):
            reading = ahead or pool.submit(opened, path, settings)
            later = paths[done + 1] if done + 1 < len(paths) else None
            ahead = pool.submit(opened, later, settings) if later else None
            yield Progress(done, len(paths), path.name)
            try:
                image = reading.result()
                known = finished.get(path) if finished is not None else None
                result: Segmented | Failed
                if known is not None:
                    result = Segmented(path, image.levels[0], *known, earlier=True)
                else:
                    place = (done, len(paths))
                    result = yield from _one(path, image, detector, settings, place)
            except (UserError, RuntimeError, MemoryError) as error:
                result = Failed(path, reason_of(error, path))
            yield Progress(done + 1, len(paths), path.name, result)


def reason_of(error: Exception, path: Path) -> str:
    """Say in a line why an image cannot be done."""
    if isinstance(error, UserError):
        return str(error) if str(path) in str(error) else f"{path}: {error}"
    reason = next(iter(str(error).splitlines()), "") or "out of memory"
    memory = isinstance(error, MemoryError) or "memory" in reason.lower()
    # On the CPU it has been tried by now.
    return f"{path}: {reason}." + " Try a smaller image, or a machine with more memory." * memory


def opened(path: Path, settings: Settings) -> LargeImage:
    """Open an image of the size that the settings want.

    Raises
    ------
    UserError
        If it cannot be read, or has another size.
    """
    image = open_image(path, settings.plane, settings.channels)
    wanted = settings.sizes.get(path)
    if wanted and image.shape != wanted:
        raise other_size(path, image.shape, wanted, "the list")
    return image


class Pixels(Mapping[int, NDArray[Any]]):
    """Pixels of images by their ids, as they are segmented: read when they are wanted.

    Parameters
    ----------
    paths : mapping of int to Path
        Their files.
    plane, channels
        As in `Settings`.
    """

    def __init__(
        self, paths: Mapping[int, Path], plane: int | None, channels: Sequence[int] | None
    ) -> None:
        self._paths, self._settings = paths, Settings(plane=plane, channels=channels)

    def __getitem__(self, id: int) -> NDArray[Any]:
        return np.asarray(opened(self._paths[id], self._settings).levels[0])

    def __iter__(self) -> Iterator[int]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def _one(
    path: Path,
    image: LargeImage,
    detector: Detector,
    settings: Settings,
    place: tuple[int, int],
) -> Generator[Progress, None, Segmented]:
    from ..prediction.predict import segment_steps

    steps = segment_steps(image, detector, settings.diameter, lowest(detector.card, settings))
    prediction = yield from within(steps, *place, path.name)
    nuclei = proposed(image.shape, prediction.found, detector.card, settings)
    return Segmented(path, image.levels[0], nuclei, prediction.diameter)


def lowest(card: Card, settings: Settings) -> float:
    """Return the score down to which nuclei are kept."""
    shown = _threshold(card, settings)
    return min(LOW, shown) if settings.hidden else shown


def proposed(
    shape: tuple[int, int], found: Sequence[tuple[Mask, float]], card: Card, settings: Settings
) -> Nuclei:
    """Make an image's nuclei of what was found, best first."""
    nuclei = Nuclei(shape)
    propose(nuclei, found, card.name, _threshold(card, settings)).apply_to(nuclei)
    return nuclei


def _threshold(card: Card, settings: Settings) -> float:
    return card.threshold if settings.score is None else settings.score

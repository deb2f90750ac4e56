"""`Workspace`: images under review, one `Review` each, and how far each one is."""

from __future__ import annotations

import threading
from dataclasses import asdict
from pathlib import Path

from ..errors import ReviewError, UserError
from ..formats.categories import DEFAULT, Category
from ..formats.image_files import files_in
from ..formats.image_sizes import other_size
from ..images.images import image_size
from ..images.planes import Plane
from ..journal.locks import is_held
from ..journal.naming import channels_of_part, journal_name
from ..journal.place import home_of, locate
from ..journal.safe_file import KEEPER
from ..journal.snapshot import peek
from ..nuclei import Nuclei
from ..nuclei.counts import Counts, Stage, Standing
from ..review import Review
from ..wording import are, counted
from .files import Place, SmallFile, items_of, most_alike, planes_of
from .journals import Journals

Key = tuple[Path, Plane, str]
"""An image file, a plane of it, and the part of the plane where a list names one."""


class Workspace:
    """Images under review.

    Parameters
    ----------
    path : path
        A folder of images, an image, a competition's list of images or a COCO file; the
        nuclei of the latter are what reviews begin with.
    folder : path, optional
        Where a list's images lie; by default beside it, or in ``images`` beside it.
    strict : bool
        Whether a broken entry of a COCO file is an error; otherwise it is left out or mended.

    Attributes
    ----------
    items : tuple of Item
        The images; a folder's in natural order.
    homes : tuple of Path
        Folders out of which no image that a list names is copied; none where the person has
        named the images.
    remarks : list of str
        What a person should know of what was left out or mended.
    journals : Journals
        Which of their planes have reviews.

    Raises
    ------
    UserError
        If there are no images, or some of a list are missing.

    Notes
    -----
    May be used from several threads; a `Review` belongs to one thread at a time.
    """

    def __init__(
        self, path: str | Path, folder: str | Path | None = None, strict: bool = False
    ) -> None:
        self.path = Path(path).expanduser().absolute()
        self.remarks: list[str] = []
        near = None if folder is None else Path(folder)
        found, self._data = items_of(self.path, near, None if strict else self.remarks)
        self.homes = () if found[0].record is None else files_in(near or self.path.parent).homes
        if self._data is not None and (crowds := self._data.crowds):
            what = f"{counted(crowds, 'area')} to ignore {are(crowds)}"
            self.remarks.append(f"{self.path.name}: {what} kept, not shown.")
        self.items = tuple(found)
        self._by_key = {(item.path, item.plane, item.part): item for item in self.items}
        self._named: dict[Path, set[Plane]] = {}
        for item in self.items:
            if item.plane:
                self._named.setdefault(item.path, set()).add(item.plane)
        self._reviews: dict[Key, Review] = {}
        self._busy = threading.RLock()
        near = self.path if self.path.suffix.lower() == ".json" else self.items[0].path.parent
        self._index_file = SmallFile(near, "index.json")
        self._place_file = SmallFile(near, "place.json")
        self._index = self._index_file.read()
        self._place: Place | None = None
        self._unsaved: set[str] = set()
        self.journals = Journals()

    # -- reviews ----------------------------------------------------------------------

    def review(self, image: Path, plane: Plane = (), part: str = "") -> Review:
        """Return the review of an image, opened if it is not yet; see `Review.open`."""
        with self._busy:
            key = (image.absolute(), plane, part)
            if key not in self._reviews:
                path, _, actual = self.journals.key(*key)
                review = Review.open(path, plane, self._start(key), part=actual)
                if actual and not part:
                    channel = channels_of_part(actual)[0]
                    review.remarks.append(f"This review is of channel {channel} of {path.name}.")
                self._reviews[key] = review
            return self._reviews[key]

    def is_open(self, image: Path, plane: Plane = (), part: str = "") -> bool:
        """Whether a review is open already."""
        return (image.absolute(), plane, part) in self._reviews

    def is_held(self, image: Path, plane: Plane = (), part: str = "") -> bool:
        """Whether another window has a review open, so that nothing can be changed here."""
        review = self._reviews.get((image.absolute(), plane, part))
        if review is not None:
            return review.read_only
        key = self.journals.key(image.absolute(), plane, part)
        return is_held(locate(*key) or home_of(*key))

    def open_planes(self, image: Path) -> list[Plane]:
        """List the planes of an image whose reviews are open."""
        return [plane for path, plane, _ in list(self._reviews) if path == image.absolute()]

    def release(self, image: Path, plane: Plane = (), part: str = "") -> str:
        """Close a review that is not shown any more; see `Review.close`."""
        with self._busy:
            key = (image.absolute(), plane, part)
            if key not in self._reviews:
                return ""
            review = self._reviews[key]
            moved = review.close()
            del self._reviews[key]
            self._note(key, Standing.of(review.nuclei, review.counts))
            return moved

    def close(self) -> list[str]:
        """Close all reviews; return where those were written whose own place failed.

        Raises
        ------
        UserError
            If one could be written nowhere; it stays open, all others are closed.
        """
        moved, failed = [], []
        for key in list(self._reviews):
            try:
                moved.append(self.release(*key))
            except UserError as error:
                failed.append(str(error))
        self._keep()
        if failed:
            raise ReviewError("; ".join(failed))
        return [path for path in moved if path]

    @property
    def about(self) -> dict[str, object]:
        """What a COCO file says besides (`info`, `licenses`, …)."""
        return dict(self._data.about) if self._data else {}

    @property
    def categories(self) -> tuple[Category, ...]:
        """The categories that a COCO file lists."""
        return self._data.categories if self._data else (DEFAULT,)

    def _start(self, key: Key) -> Nuclei:
        item = self._by_key.get(key)
        size = image_size(key[0])
        if item is None or item.record is None:
            return Nuclei(size)
        record = item.record
        if record.shape != size:
            raise other_size(key[0], size, record.shape, self.path)
        return Nuclei(size) if self._data is None else self._data.of(record)

    # -- how far each one is ----------------------------------------------------------

    def standing(self, image: Path, plane: Plane = (), part: str = "") -> Standing:
        """Say how far the review of an image, or of one plane of it, is, without opening it."""
        image = image.absolute()
        if plane or part:
            return self._standing((image, plane, part))
        keys = self._begun_keys(image)
        found = [self._standing(key) for key in keys]
        if keys == [(image, (), "")]:
            return found[0]
        more = len(keys) - len({at for _, at, _ in keys})  # channels of one plane
        return Standing.together(found, len(planes_of(image)) + more)

    def _begun_keys(self, image: Path) -> list[Key]:
        """List the planes of an image, and parts of them, that have a review; all if none has."""
        keys = {(image, plane, part) for plane, part in self.journals.of(image)}
        keys |= {key for key in self._reviews if key[0] == image and key[1]}
        keys |= {(image, plane, "") for plane in self._named.get(image, ())}
        return sorted(keys) or [(image, (), "")]

    def _standing(self, key: Key) -> Standing:
        review = self._reviews.get(key)
        if review is not None:
            return Standing.of(review.nuclei, review.counts)
        path = locate(*self.journals.key(*key))
        known = self._index.get(_name(key))
        if path is None:
            return self._standing_at_start(key)
        about = path.stat()
        stamp = [about.st_size, about.st_mtime_ns]
        if isinstance(known, dict) and known.get("stamp") == stamp:
            try:
                return Standing(Stage(known["stage"]), Counts(**known["counts"]))
            except (KeyError, TypeError, ValueError):
                pass
        nuclei = peek(path)
        found = self._standing_at_start(key) if nuclei is None else Standing.of(nuclei)
        self._note(key, found, stamp)
        return found

    def _standing_at_start(self, key: Key) -> Standing:
        item = self._by_key.get(key)
        if self._data is None or item is None or item.record is None:
            return Standing()
        return Standing.of(self._data.of(item.record))

    def _note(self, key: Key, standing: Standing, stamp: list[int] | None = None) -> None:
        path = locate(*self.journals.key(*key))
        if path is None:
            return
        about = path.stat()
        row = {"stamp": stamp or [about.st_size, about.st_mtime_ns], "stage": standing.stage.value}
        self._index[_name(key)] = {**row, "counts": asdict(standing.counts)}
        self._save("index")

    # -- where the reviewer was -------------------------------------------------------

    @property
    def place(self) -> Place | None:
        """Where the reviewer was, now or when the workspace was closed; None if unknown."""
        if self._place is None:
            row = self._place_file.read()
            try:
                path = most_alike(Path(row["image"]), [item.path for item in self.items])
                plane = tuple(int(k) for k in row["plane"])
                self._place = Place(str(path), plane, dict(row["view"]), row["nucleus"])
            except (LookupError, TypeError, ValueError):
                return None
        return self._place

    @place.setter
    def place(self, place: Place) -> None:
        self._place = place
        self._save("place")

    def _save(self, what: str) -> None:
        self._unsaved.add(what)
        KEEPER.remember(self._keep)

    def _keep(self) -> bool:
        """Write the small files; if that fails, only time or the place is lost."""
        with self._busy:
            what, self._unsaved = self._unsaved, set()
            index = dict(self._index)
        if "index" in what:
            self._index_file.write(index)
        if "place" in what and self._place is not None:
            self._place_file.write(asdict(self._place))
        return True

    # -- all of them ------------------------------------------------------------------

    def stored(self, image: Path, plane: Plane = (), part: str = "") -> Nuclei:
        """Return the nuclei of an image as they are on disk, or with which a review would begin.

        Raises
        ------
        UserError
            If the image or its journal cannot be read, or is of another size than the image.
        """
        key = (image.absolute(), plane, part)
        path = locate(*self.journals.key(*key))
        found = None if path is None else peek(path)
        if found is None:
            return self._start(key)
        item = self._by_key.get(key)
        size = image_size(image) if item is None or item.record is None else item.record.shape
        if found.shape != size:
            was, now = ("×".join(map(str, shape)) for shape in (found.shape, size))
            raise ReviewError(
                f"{image} was {was} px when it was reviewed and is {now} px now: open it to "
                "start a new review"
            )
        return found

    def live(self) -> dict[Key, Nuclei]:
        """Return copies of the nuclei of all open reviews, for a thread to work on."""
        return {key: review.nuclei.copy() for key, review in list(self._reviews.items())}


def _name(key: Key) -> str:
    return str(key[0].parent / journal_name(key[0].name, *key[1:]))

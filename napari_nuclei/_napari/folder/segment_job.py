"""All images of a workspace segmented one after the other: the work itself, on any thread.

No Qt.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ...errors import UserError
from ...images.planes import Plane
from ...journal.opening import ELSEWHERE
from ...models.card import Card
from ...nuclei import Kind, Nuclei, edits
from ...nuclei.counts import Standing, is_complete
from ...progress import Progress, within
from ...review import Review
from ...wording import counted
from ...workspace.files import planes_of
from ..segment.engine import Engine
from .item_reading import read_plane
from .loading import Loader

if TYPE_CHECKING:
    from ...prediction.predict import Prediction
    from ...workspace.workspace import Key

SAME = 3
"""How often in a row the same failure of a model is met before the rest is not tried."""


@dataclass(frozen=True, slots=True)
class Options:
    """How images are segmented.

    Attributes
    ----------
    card : Card
        Of the model.
    device : str
        Where it runs.
    diameter : float or None
        Of a typical nucleus in px; None has it found for each image.
    again : bool
        Whether images that this model has segmented before are segmented again.
    """

    card: Card
    device: str = "auto"
    diameter: float | None = None
    again: bool = False


@dataclass(slots=True)
class Summary:
    """What became of the images; each plane of a stack is one.

    Attributes
    ----------
    done, known, complete : int
        How many were segmented, had been by this model before, were marked complete.
    failed : dict of int to str
        Numbers of items, and why they could not be segmented.
    stopped : str
        Why not all were tried; empty if they were.
    """

    done: int = 0
    known: int = 0
    complete: int = 0
    failed: dict[int, str] = field(default_factory=dict)
    stopped: str = ""

    def summary(self) -> str:
        """Say it in a line."""
        parts = [f"{counted(self.done, 'image')} segmented"]
        if self.known:
            parts.append(f"{self.known:,} already were")
        if self.complete:
            parts.append(f"{self.complete:,} left alone as complete")
        if self.failed:
            parts.append(f"{len(self.failed):,} failed, marked in the list")
        return f"{self.stopped + ': ' if self.stopped else ''}{', '.join(parts)}."


class Receiver(Protocol):
    """Who is told, from the job's thread, of what there is to tell."""

    def found(self, number: int, plane: Plane, result: Prediction) -> None:
        """Something was found in an item whose review belongs to the main thread."""

    def counted(self, number: int, standing: Standing) -> None:
        """An item has got its nuclei."""

    def failed(self, number: int, reason: str) -> None:
        """An item could not be segmented."""

    def told(self, text: str) -> None:
        """There is something that the person should know."""


class FolderJob:
    """The segmentation of all items, some left out.

    Parameters
    ----------
    loader : Loader
        Of the workspace.
    engine : Engine
        What finds nuclei.
    options : Options
        How.
    first : int
        The item to begin with.
    receiver : Receiver
        Is told what happens.
    empty : set
        Items, planes and models of which it is known that nothing was found; added to.

    Attributes
    ----------
    stop : Event
        Ends it at its next step; what is found after that is dropped.
    summary : Summary
        What has become of the images by now.
    """

    def __init__(
        self,
        loader: Loader,
        engine: Engine,
        options: Options,
        first: int,
        receiver: Receiver,
        empty: set[tuple[int, Plane, str]],
    ) -> None:
        self.stop = threading.Event()
        self.summary = Summary()
        self._loader, self._engine, self._options = loader, engine, options
        self._workspace = loader.workspace
        self._first, self._receiver, self._empty = first, receiver, empty
        self._row: list[str] = []

    def steps(self) -> Generator[Progress, None, None]:
        """Segment all items; yields how far it is."""
        chosen = yield from self._chosen()
        for done, (number, plane) in enumerate(chosen):
            name = self._workspace.items[number].name
            yield Progress(done, len(chosen), name)
            try:
                yield from within(self._one(number, plane), done, len(chosen), name)
            except UserError as error:
                self._fail(number, str(error))
            except Exception as error:  # what torch and decoders raise: the others go on
                logging.getLogger(__name__).error("%s", name, exc_info=error)
                reason = next(iter(str(error).splitlines()), "") or type(error).__name__
                self._fail(number, f"{name}: {reason}")
            if len(self._row) == SAME and len(set(self._row)) == 1:
                self.summary.stopped = f"Stopped ({self._row[0]})"
                return

    def put(self, review: Review, number: int, plane: Plane, result: Prediction) -> None:
        """Put a result into a review, as one edit; from the thread that the review belongs to.

        Raises
        ------
        UserError
            If the review cannot be changed.
        """
        card = self._options.card
        known = segmented_by(review.nuclei, card.name)
        threshold = review.nuclei.threshold if known else card.threshold
        edit = edits.propose(review.nuclei, result.found, card.name, threshold)
        if edit.before or edit.after:
            review.do(edit)
        else:
            self._empty.add((number, plane, card.name))
        self.summary.done += 1

    def refuse(self, number: int, reason: str) -> None:
        """Note why an item could not be segmented."""
        self.summary.failed[number] = reason
        self._receiver.failed(number, reason)

    # -- which ones -------------------------------------------------------------------

    def _chosen(self) -> Generator[Progress, None, list[tuple[int, Plane]]]:
        """Choose what to segment: first what nobody has begun, from the item in view on."""
        fresh: list[tuple[int, Plane]] = []
        begun: list[tuple[int, Plane]] = []
        items = self._workspace.items
        for number in [*range(self._first, len(items)), *range(self._first)]:
            yield Progress(0, 0, "Checking the images")
            try:
                for plane in self._planes(number):
                    nuclei = self._workspace.stored(*self._key(number, plane))
                    if not self._is_settled(number, plane, nuclei):
                        (begun if len(nuclei) else fresh).append((number, plane))
            except UserError as error:
                self.refuse(number, str(error))
        return fresh + begun

    def _key(self, number: int, plane: Plane) -> Key:
        item = self._workspace.items[number]
        return item.path, plane, item.part

    def _planes(self, number: int) -> list[Plane]:
        item = self._workspace.items[number]
        if item.record is not None:
            return [item.plane]
        return planes_of(item.path)

    def _is_settled(self, number: int, plane: Plane, nuclei: Nuclei) -> bool:
        """Whether nothing is to be done, which is counted."""
        if is_complete(nuclei):
            self.summary.complete += 1
            return True
        name = self._options.card.name
        known = segmented_by(nuclei, name) or (number, plane, name) in self._empty
        if known and not self._options.again:
            self.summary.known += 1
            return True
        return False

    # -- one of them ------------------------------------------------------------------

    def _one(self, number: int, plane: Plane) -> Generator[Progress, None, None]:
        item = self._workspace.items[number]
        if self._is_settled(number, plane, self._workspace.stored(*self._key(number, plane))):
            return  # the reviewer was here first
        if self._workspace.is_held(*self._key(number, plane)):
            raise UserError(f"{item.name}: {ELSEWHERE}")
        pixels = read_plane(item, plane)
        options = self._options
        try:
            result = yield from self._engine.segment(
                pixels, options.card.name, options.device, options.diameter
            )
        except Exception as error:
            self._row = [*self._row, str(error)][-SAME:]
            raise
        self._row = []
        self._deliver(number, plane, result)

    def _deliver(self, number: int, plane: Plane, result: Prediction) -> None:
        item = self._workspace.items[number]
        with self._loader.lock:
            if self.stop.is_set():
                return
            if not self._loader.wants(number):
                review = self._workspace.review(*self._key(number, plane))
                try:
                    self.put(review, number, plane, result)
                finally:
                    moved = self._workspace.release(*self._key(number, plane))
                if moved:
                    self._receiver.told(f"The review of {item.name} is kept in {moved}.")
                standing = self._workspace.standing(item.path, item.plane, item.part)
                self._receiver.counted(number, standing)
                return
        self._receiver.found(number, plane, result)

    def _fail(self, number: int, reason: str) -> None:
        if not self.stop.is_set():
            self.refuse(number, reason)


def segmented_by(nuclei: Nuclei, model: str) -> bool:
    """Whether a model has said anything of these nuclei."""
    return any(n.origin.kind is Kind.MODEL and n.origin.model == model for n in nuclei)

"""What a segmentation yields, plane by plane, and the edit that it becomes in its review."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...masks.box import Box
from ...models.card import Card
from ...nuclei import Kind, edits
from ...progress import Progress, within
from ..layers.bridge import Bridge
from ..layers.record import Record
from ..layers.source import Source
from ..session.openers import note_channels
from ..session.session import Session
from .engine import Engine, read_and_segment

if TYPE_CHECKING:
    from ...prediction.predict import Prediction


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in one of several planes."""

    source: Source
    result: Prediction


def steps_of(
    engine: Engine,
    sources: Sequence[Source],
    model: str,
    device: str,
    diameter: float | None,
    area: Box | None,
) -> Generator[Progress, None, Prediction]:
    """Segment one plane, or several one after the other; of these each comes as `Found`."""
    count = len(sources)
    for done, source in enumerate(sources):
        work = read_and_segment(engine, source.read, model, device, diameter, area)
        if count == 1:
            return (yield from work)
        words = f"Plane {done + 1} of {count}"
        result = yield from within(work, done, count, words)
        yield Progress(done + 1, count, words, Found(source, result))
    return result


def propose(
    session: Session,
    source: Source,
    result: Prediction,
    card: Card,
    area: Box | None = None,
    record: Record | None = None,
) -> Bridge:
    """Put a model's result into the review of the plane that it was made of.

    `record` is that of the image when the work began, if it had one: by now a copy may be in
    use.
    """
    if record is None or record not in session.records.all_of(source.image):
        record = session.record_for(source.image, source.shape)
    threshold = threshold_for(record, source, card, area is not None)
    bridge = session.open(source.image, source.shape, record)
    review = bridge.review_at(source.plane)
    edit = edits.propose(review.nuclei, result.found, card.name, threshold, area)
    if area is None or edit.before or edit.after:
        note_channels(bridge.record, review, source)
        bridge.attempt(lambda: review.do(edit))
    bridge.update_features()
    return bridge


def record_for(session: Session, source: Source, record: Record | None) -> Record | None:
    """Return the record that a result goes into: that of before, if the image still has it."""
    if record is not None and record in session.records.all_of(source.image):
        return record
    return session.records.of_shape(source.image, source.shape)


def threshold_for(record: Record | None, source: Source, card: Card, part: bool) -> float:
    """Return the threshold for a model's new result.

    Each model scores differently: that of a plane holds only if it has nuclei of this one, and
    where a `part` is segmented, of any, since that of the others stays.
    """
    review = record.reviews.get(source.plane) if record else None
    if review is None:
        return card.threshold
    origins = (n.origin for n in review.nuclei)
    known = any(o.kind is Kind.MODEL and (part or o.model == card.name) for o in origins)
    return review.nuclei.threshold if known else card.threshold

"""Keeping what was read from a file of nuclei: its reviews get journals."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from ...images.planes import Plane
from ...journal.snapshot import peek
from ...nuclei import Nuclei, labels
from ...review import Review
from ..layers.origin import Origin
from ..layers.record import Record
from ..layers.viewport import is_large
from .host import Teller
from .openers import LayerReviews, file_of


def kept(record: Record, image: Image | None, teller: Teller) -> str:
    """Give the reviews of a record that was read from a file journals.

    They are kept with their image, unless that has another review already: that one is not
    touched, and these are kept by themselves.

    Returns
    -------
    str
        What the person should know; mostly empty.
    """
    before = record.reviews
    start = {plane: _beginning(review) for plane, review in before.items()}

    def drawn(plane: Plane) -> NDArray[Any]:
        return picture_of(before[plane].nuclei if plane in before else Nuclei(record.shape))

    own = LayerReviews(Origin(record.layer_shape, None), drawn, teller, start)
    file = record.file or (file_of(image) if image is not None else None)
    record.opener = own
    words = ""
    if file is not None:
        channels = tuple(record.extra.get("channels", ()))
        origin = Origin(record.layer_shape, file, channels=channels)
        beside = LayerReviews(origin, drawn, teller, start)
        if all(_agrees(beside, plane, before.get(plane)) for plane in beside.begun(shown=True)):
            record.opener = beside
        else:
            words = (
                f"{file.name} has its own review, which stays. To use the nuclei of this file "
                "instead, choose the image and press Adopt."
            )
    record.reviews = {}
    for plane, old in before.items():
        review = record.review(plane)
        for edit in old.done if not len(review.done) else ():
            review.do(edit)
    return words


def _beginning(review: Review) -> Nuclei:
    """Return the nuclei with which a review in memory began."""
    nuclei = review.nuclei.copy()
    for edit in reversed(review.done):
        edit.inverse().apply_to(nuclei)
    return nuclei


def _agrees(opener: LayerReviews, plane: Plane, review: Review | None) -> bool:
    path = opener.journal(plane, shown=True)
    known = None if path is None else peek(path)
    return known is None or (review is not None and known == review.nuclei)


def picture_of(nuclei: Nuclei) -> NDArray[Any]:
    """Return what nuclei are known by: their label image, of large planes a list of them."""
    if not is_large(nuclei.shape):
        return labels.draw(nuclei)
    rows = [(n.id, *n.mask.box, n.mask.area) for n in nuclei]
    return np.array([(*nuclei.shape, 0, 0, 0, 0), *rows], np.int64)

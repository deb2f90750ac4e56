"""What a retraining learns from and what it is judged by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import TrainingError
from ..models.card import Card
from ..nuclei import Nucleus
from ..wording import counted
from .examples import Example, example_of, pixels_of
from .locked import SIDE, Tile
from .reviewed import KINDS, Reviewed

MIN_REVIEWED = 20
"""Nuclei that must be reviewed for anything to be learned."""

MIN_LEARNED, MIN_JUDGED = 10, 5
"""Of these, those that are learned from and those that are judged by."""

MIN_APART = 20
"""Nuclei in the tiles that judge, and half as many in those that are chosen by: with fewer, all
locked tiles do both."""

MEGAPIXELS = 6.0
"""Images that are judged by, at most: the gate shall take a small part of the time."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The split of reviewed images.

    Attributes
    ----------
    images : tuple of Reviewed
        All in which something is reviewed.
    locked : frozenset of Tile
        All of their tiles that are never trained on.
    named : frozenset of Tile
        Those of them that are locked although their lot does not say so.
    apart : bool
        Whether the tiles that are chosen by are others than those that judge.
    judged : tuple of Reviewed
        The images with complete areas in locked tiles that the models look at.
    licence : str
        Of the weights that come of it.
    """

    images: tuple[Reviewed, ...]
    locked: frozenset[Tile]
    named: frozenset[Tile]
    apart: bool
    judged: tuple[Reviewed, ...]
    licence: str = ""

    def chooses(self, tile: Tile) -> bool:
        """Whether a locked tile is chosen by."""
        return tile.chooses or not self.apart

    def judges(self, tile: Tile) -> bool:
        """Whether a locked tile counts for the verdict."""
        return not (self.apart and tile.chooses)

    def locked_of(self, image: Reviewed) -> set[Tile]:
        """Return an image's locked tiles."""
        return {tile for tile in image.grid if tile in self.locked}

    def tiles_of(self, image: Reviewed) -> list[Tile]:
        """Return an image's locked tiles in which something is complete."""
        boxes = {tile: image.grid.box(tile) for tile in sorted(self.locked_of(image))}
        return [tile for tile, box in boxes.items() if image.is_complete_in(box)]

    def open_tiles_of(self, image: Reviewed) -> list[Tile]:
        """Return an image's tiles in which something is complete and learned from."""
        free = (tile for tile in image.grid if tile not in self.locked)
        return [tile for tile in free if image.is_complete_in(image.grid.box(tile))]

    def learned_of(self, image: Reviewed) -> list[Nucleus]:
        """Return the nuclei of an image that are learned."""
        return [n for n in image.truth if image.tile_of(n.mask) not in self.locked]

    def example(
        self, image: Reviewed, folder: Path, diameter: float, group: str, ignore: bool = True
    ) -> Example:
        """Make a training example in which nothing of a locked tile can be seen.

        Parameters
        ----------
        ignore : bool
            See `Reviewed.looked`.
        """
        locked = image.grid.draw(self.locked_of(image))
        looked = image.looked(ignore)
        learned = self.learned_of(image)
        ids = {n.id for n in learned}
        for nucleus in image.truth:  # what sticks out of a locked tile is no background
            if nucleus.id not in ids:
                nucleus.mask.paint(looked, False)
        return example_of(
            pixels_of(image.record, folder),
            [n.mask for n in learned],
            group,
            diameter,
            looked,
            locked,
        )

    def to_json(self) -> dict[str, Any]:
        """Return what is learned from and what is locked, as plain values."""
        kinds: Counter[str] = sum((image.kinds() for image in self.images), Counter())
        tiles = [tile for image in self.judged for tile in self.tiles_of(image)]
        return {
            "images": len(self.images),
            "nuclei": {kind: kinds[kind] for kind in KINDS},
            "learned": sum(len(self.learned_of(image)) for image in self.images),
            "judged": sum(len(image.judged(self.locked)) for image in self.judged),
            "tiles": {
                "choosing": sum(map(self.chooses, tiles)),
                "judging": sum(map(self.judges, tiles)),
                "apart": self.apart,
            },
            "locked": {
                image.record.file_name: [list(image.grid.box(t)) for t in self.tiles_of(image)]
                for image in self.judged
            },
        }


def make_plan(images: Sequence[Reviewed], base: Card, source: str) -> Plan:
    """Split reviewed images; what earlier rounds have locked or learned stays so.

    Parameters
    ----------
    base : Card
        Of the model that is retrained; it remembers the tiles of earlier rounds.
    source : str
        Name of the data set, for messages.

    Raises
    ------
    UserError
        If there is too little for learning and judging.
    """
    earlier = tiles_in(base, "locked")
    locked = {tile for image in images for tile in image.grid.locked(earlier)}
    complete = [n for image in images for n in image.judged(set(image.grid))]
    if len(complete) < MIN_REVIEWED:
        raise TrainingError(
            f"{source}: too little is reviewed to learn from and evaluate on: "
            f"{counted(len(complete), 'nucleus')} in areas marked complete, at least "
            f"{MIN_REVIEWED} are needed. Review more, and mark it complete."
        )
    named = (earlier & locked) | _named(images, locked, tiles_in(base, "learned"))
    locked |= named
    plan = Plan(tuple(images), frozenset(locked), frozenset(named), False, _judged(images, locked))
    judged, learned = (
        sum(len(image.judged(locked)) for image in plan.judged),
        sum(len(plan.learned_of(image)) for image in images),
    )
    if judged < MIN_JUDGED or learned < MIN_LEARNED:
        raise TrainingError(
            f"{source}: the reviewed areas are too small to be split: "
            f"{counted(learned, 'nucleus')} to learn from, {judged} to evaluate on, "
            f"{MIN_LEARNED} and {MIN_JUDGED} are needed, in tiles of about {SIDE} px that "
            f"{base.name!r} has not learned from. Mark more as complete."
        )
    apart = Plan(plan.images, plan.locked, plan.named, True, plan.judged)
    few = _count(apart.judged, filter(apart.judges, locked)) < MIN_APART
    few |= _count(apart.judged, filter(apart.chooses, locked)) < MIN_APART // 2
    return plan if few else apart


def _named(
    images: Sequence[Reviewed], locked: Collection[Tile], learned: Collection[Tile]
) -> set[Tile]:
    """Choose tiles to lock, in the order of their lots, where those locked hold too little."""
    out: set[Tile] = set()
    held = sum(len(image.judged(locked)) for image in images)
    every = ((tile, image) for image in images for tile in image.grid)
    free = [(tile, image) for tile, image in every if tile not in locked and tile not in learned]
    for tile, image in sorted(free, key=lambda row: (row[0].lot(), row[0])):
        if held >= MIN_JUDGED:
            break
        more = len(image.judged({tile}))
        if more:
            out.add(tile)
            held += more
    return out


def _judged(images: Sequence[Reviewed], locked: Collection[Tile]) -> tuple[Reviewed, ...]:
    """Choose the images that are looked at, in an order of chance, if there are too many."""
    some = (image for image in images if image.judged(locked))
    out: list[Reviewed] = []
    area = 0.0
    for image in sorted(some, key=lambda i: i.grid.digest):
        area += image.record.height * image.record.width / 1e6
        if out and area > MEGAPIXELS:
            break
        out.append(image)
    return tuple(out)


def _count(images: Sequence[Reviewed], tiles: Iterable[Tile]) -> int:
    wanted = set(tiles)
    return sum(len(image.judged(wanted)) for image in images)


# -- earlier rounds ---------------------------------------------------------------------


def tiles_in(card: Card, key: str) -> frozenset[Tile]:
    """Return the tiles that a card remembers as ``locked`` or ``learned``."""
    values = card.training.get(key, [])
    try:
        return frozenset(Tile.parse(str(value)) for value in values)
    except (TypeError, ValueError):
        raise TrainingError(
            f"the card of {card.name!r} is damaged: its {key} tiles cannot be read."
        ) from None


def remembered(plan: Plan, base: Card) -> dict[str, list[str]]:
    """Return what the new card must remember of this round and of earlier ones."""
    learned = {image.tile_of(n.mask) for image in plan.images for n in plan.learned_of(image)}
    learned |= {
        tile
        for image in plan.images
        for tile in image.grid
        if tile not in plan.locked and image.is_complete_in(image.grid.box(tile))
    }
    return {
        "locked": sorted(map(str, plan.named | tiles_in(base, "locked"))),
        "learned": sorted(map(str, learned | tiles_in(base, "learned"))),
    }

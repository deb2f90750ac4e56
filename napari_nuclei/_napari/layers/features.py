"""What a layer says of its nuclei: a features table."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from ...masks import Mask
from ...nuclei import Kind, Nucleus, State


class Table:
    """Makes features tables; areas are counted once for each mask."""

    def __init__(self) -> None:
        self._areas: dict[int, tuple[Mask, int]] = {}

    def of(self, nuclei: Iterable[Nucleus]) -> pd.DataFrame:
        """Return index (id), label, score, area (px) and state of some nuclei, by id.

        napari joins rows to pixels by `index`, most plugins that plot or list features by `label`.
        """
        rows = sorted(nuclei, key=lambda n: n.id)
        known, self._areas = self._areas, {}
        for n in rows:
            before = known.get(n.id)
            same = before is not None and before[0] is n.mask
            self._areas[n.id] = before if before and same else (n.mask, n.mask.area)
        columns = {
            "index": [n.id for n in rows],
            "label": [n.id for n in rows],
            "score": [round(n.score, 3) for n in rows],
            "area": [self._areas[n.id][1] for n in rows],
            "state": [state_of(n) for n in rows],
        }
        return pd.DataFrame(columns)


def state_of(nucleus: Nucleus) -> str:
    """Return the state as a person would say it: also added and corrected."""
    if nucleus.state is State.ACCEPTED and nucleus.corrected:
        return "corrected"
    if nucleus.origin.kind is Kind.HAND and nucleus.state is not State.REJECTED:
        return "added"
    return nucleus.state.value

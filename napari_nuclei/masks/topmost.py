"""What is seen of runs of pixels that lie over one another, without an array of the image."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import pairwise

import numpy as np

from .rle import Ints


def topmost(starts: Ints, ends: Ints, owner: Ints) -> tuple[Ints, Ints, Ints]:
    """Give each pixel to the highest owner that has it.

    Parameters
    ----------
    starts, ends, owner : (N,) int64
        Runs, none empty; those of one owner do not overlap each other.

    Returns
    -------
    starts, ends, owner : (M,) int64
        What is seen, by start. Runs of one owner that touch are one.
    """
    order = np.argsort(starts, kind="stable")
    starts, ends, owner = starts[order], ends[order], owner[order]
    if not len(starts):
        return starts, ends, owner
    # A group of runs ends where none of them reaches the next one; most are of one run.
    reach = np.maximum.accumulate(ends)
    first = np.flatnonzero(np.concatenate([[True], starts[1:] >= reach[:-1]]))
    sizes = np.diff(np.append(first, len(starts)))
    alone = first[sizes == 1]
    pieces = np.stack([starts[alone], ends[alone], owner[alone]], 1)
    crowded = [
        _seen(list(zip(*(a[f : f + n].tolist() for a in (starts, ends, owner)), strict=True)))
        for f, n in zip(first[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True)
    ]
    rows = [piece for each in crowded for piece in each]
    pieces = np.concatenate([pieces, np.array(rows, np.int64).reshape(-1, 3)])
    pieces = pieces[np.argsort(pieces[:, 0], kind="stable")]
    begins = np.ones(len(pieces), bool)
    touching = pieces[1:, 0] == pieces[:-1, 1]
    begins[1:] = ~(touching & (pieces[1:, 2] == pieces[:-1, 2]))
    last = np.append(np.flatnonzero(begins)[1:], len(pieces)) - 1
    return pieces[begins, 0], pieces[last, 1], pieces[begins, 2]


Run = tuple[int, int, int]


def _seen(runs: list[Run]) -> list[Run]:
    """Return what is seen of runs (start, end, owner), sorted by start."""
    out: list[Run] = []
    open_ones: list[tuple[int, int]] = []  # highest owner first
    at = 0
    edges = sorted({edge for start, end, _ in runs for edge in (start, end)})
    for here, following in pairwise(edges):
        while at < len(runs) and runs[at][0] == here:
            heappush(open_ones, (-runs[at][2], runs[at][1]))
            at += 1
        while open_ones and open_ones[0][1] <= here:
            heappop(open_ones)
        if open_ones:
            out.append((here, following, -open_ones[0][0]))
    return out

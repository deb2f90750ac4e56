"""COCO's run-length code for many masks at once: text ↔ run lengths ↔ runs of pixels.

Several masks lie one after the other in flat arrays; `sizes` says how many elements each
has. Run lengths go column by column and begin with background, as COCO has them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def offsets(sizes: Ints) -> Ints:
    """Return where each mask's elements start in the flat array."""
    return np.cumsum(sizes) - sizes


def running_sums(values: Ints, sizes: Ints) -> Ints:
    """Return cumulative sums that begin anew with each mask."""
    sums = np.cumsum(values)
    first = offsets(sizes)[sizes > 0]
    return sums - np.repeat(sums[first] - values[first], sizes[sizes > 0])


def decompress(texts: Sequence[bytes]) -> tuple[Ints, Ints]:
    """Read compressed run lengths.

    Returns
    -------
    runs, sizes : (N,) int64, (M,) int64
        The run lengths of all masks, and how many each has.

    Raises
    ------
    ValueError
        If one of the texts is not such a code.
    """
    codes = np.frombuffer(b"".join(texts), np.uint8).astype(np.int64) - 48
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    # Each number is a group of 5-bit digits, lowest first; bit 5 says that more follow.
    last = (codes & 0x20) == 0
    borders = np.cumsum(sizes)[sizes > 0] - 1
    if (codes < 0).any() or (codes > 63).any() or not last[borders].all():
        raise ValueError("broken run-length code")
    if not len(codes):
        return codes, sizes
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    digits = ends - starts + 1
    if digits.max() > 11:
        raise ValueError("broken run-length code")
    place = np.arange(len(codes)) - np.repeat(starts, digits)
    values = np.add.reduceat((codes & 0x1F) << (5 * place), starts)
    negative = (codes[ends] & 0x10) != 0  # bit 4 of the last digit is the sign
    values[negative] -= 1 << (5 * digits[negative])
    sizes = sums(last, sizes)
    return _undo_differences(values, sizes), sizes


def _undo_differences(values: Ints, sizes: Ints) -> Ints:
    """From the fourth on, each number is a difference to the one two before."""
    position = np.arange(len(values)) - np.repeat(offsets(sizes), sizes)
    odd = (position & 1) == 1
    even = (position > 0) & ~odd
    values[odd] = running_sums(values[odd], sizes // 2)
    values[even] = running_sums(values[even], np.maximum(sizes - 1, 0) // 2)
    return values


def compress(runs: Ints, sizes: Ints) -> list[str]:
    """Write run lengths as COCO's text, one for each mask."""
    values = runs.copy()
    position = np.arange(len(runs)) - np.repeat(offsets(sizes), sizes)
    late = np.flatnonzero(position > 2)
    values[late] -= runs[late - 2]
    magnitude = np.where(values < 0, ~values, values)
    digits = np.ones(len(values), np.int64)
    limit = 16
    while (longer := magnitude >= limit).any():
        digits += longer
        limit <<= 5
    starts = offsets(digits)
    out = np.empty(int(digits.sum()), np.uint8)
    for k in range(int(digits.max(initial=0))):
        has = np.flatnonzero(digits > k)
        more = (digits[has] > k + 1) << 5
        out[starts[has] + k] = (((values[has] >> (5 * k)) & 0x1F) | more) + 48
    text = out.tobytes().decode("ascii")
    borders = np.concatenate([[0], np.cumsum(digits)])[np.cumsum(sizes)].tolist()
    return [text[a:b] for a, b in zip([0, *borders], borders, strict=False)]


def sums(values: Ints, sizes: Ints) -> Ints:
    """Return the sum of each mask's elements."""
    upto = np.concatenate([np.zeros(1, np.int64), np.cumsum(values)])
    last = np.cumsum(sizes)
    out: Ints = upto[last] - upto[last - sizes]
    return out


def object_runs(runs: Ints, sizes: Ints) -> tuple[Ints, Ints, Ints]:
    """Return start, end (outside) and mask number of all runs of foreground."""
    ends = running_sums(runs, sizes)
    inside = (np.arange(len(runs)) - np.repeat(offsets(sizes), sizes)) & 1 == 1
    inside &= runs > 0
    owner = np.repeat(np.arange(len(sizes)), sizes)
    return (ends - runs)[inside], ends[inside], owner[inside]


def cut(starts: Ints, ends: Ints, owner: Ints, height: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Cut runs that go on in the next column, so that each lies in one.

    Parameters
    ----------
    starts, ends, owner : (N,) int64
        As `object_runs` gives them.
    height : (M,) int64
        Height of each mask's frame.

    Returns
    -------
    starts, ends, owner, column : (K,) int64
        The pieces.
    """
    tall = height[owner]
    column = starts // tall
    pieces = (ends - 1) // tall - column + 1
    if not (pieces > 1).any():
        return starts, ends, owner, column
    column = np.repeat(column, pieces) + np.arange(pieces.sum())
    column -= np.repeat(offsets(pieces), pieces)
    tall, owner = np.repeat(tall, pieces), np.repeat(owner, pieces)
    starts = np.maximum(np.repeat(starts, pieces), column * tall)
    ends = np.minimum(np.repeat(ends, pieces), (column + 1) * tall)
    return starts, ends, owner, column


def joined(starts: Ints, ends: Ints, owner: Ints, totals: Ints) -> tuple[Ints, Ints]:
    """Turn runs of foreground into run lengths, joining those that touch.

    Parameters
    ----------
    starts, ends, owner : (N,) int64
        Each mask's runs in order, none empty.
    totals : (M,) int64
        Number of pixels of each mask's frame.

    Returns
    -------
    runs, sizes : (K,) int64, (M,) int64
        Run lengths in their one shortest form, and how many each mask has.
    """
    apart = (starts[1:] != ends[:-1]) | (owner[1:] != owner[:-1])
    if not apart.all():
        starts = starts[np.concatenate([[True], apart])]
        ends = ends[np.concatenate([apart, [True]])]
        owner = owner[np.concatenate([[True], apart])]
    sizes = 2 * np.bincount(owner, minlength=len(totals)) + 1
    # Each mask's edges: start, end, start, …, and its total last.
    edges = np.empty(int(sizes.sum()), np.int64)
    at = 2 * np.arange(len(starts)) + owner
    edges[at], edges[at + 1] = starts, ends
    final = np.cumsum(sizes) - 1
    edges[final] = totals
    runs = np.diff(edges, prepend=0)
    runs[final[:-1] + 1] = edges[final[:-1] + 1]
    full = runs[final] == 0  # foreground up to the last pixel
    return np.delete(runs, final[full]), sizes - full


def to_image(boxes: Ints, runs: Ints, sizes: Ints, shape: tuple[int, int]) -> tuple[Ints, Ints]:
    """Turn the run lengths of crops into those of the whole image.

    Parameters
    ----------
    boxes : (M, 4) int64
        Where the crops lie in the image: (y0, x0, y1, x1), the second corner outside.
    runs, sizes : (N,) int64, (M,) int64
        The crops' run lengths.
    shape : (int, int)
        Height and width of the image.
    """
    starts, ends, owner = object_runs(runs, sizes)
    height = boxes[:, 2] - boxes[:, 0]
    starts, ends, owner, column = cut(starts, ends, owner, height)
    move = (column + boxes[owner, 1]) * shape[0] + boxes[owner, 0] - column * height[owner]
    return joined(starts + move, ends + move, owner, np.full(len(sizes), shape[0] * shape[1]))


def to_crops(runs: Ints, sizes: Ints, shape: tuple[int, int]) -> tuple[Ints, Ints, Ints]:
    """Turn run lengths of the whole image into those of tight crops, without making an image.

    Returns
    -------
    corners, runs, sizes : (M, 4) int64, (K,) int64, (M,) int64
        (y, x, height, width) of the crops, and their run lengths; no element for a mask
        without pixels.

    Raises
    ------
    ValueError
        If the run lengths of a mask do not fill the image exactly.
    """
    tall, total = shape[0], shape[0] * shape[1]
    # No single run may be larger than the image either: sums of absurd numbers wrap around.
    good = not len(runs) or (int(runs.min()) >= 0 and int(runs.max()) <= total)
    if not good or (sums(runs, sizes) != total).any():
        raise ValueError(f"run lengths do not fill an image of {shape[0]}×{shape[1]}")
    corners = np.zeros((len(sizes), 4), np.int64)
    starts, ends, owner = object_runs(runs, sizes)
    starts, ends, owner, column = cut(starts, ends, owner, np.full(len(sizes), tall))
    if len(owner):
        first = np.flatnonzero(np.diff(owner, prepend=-1))
        final = np.append(first[1:], len(owner)) - 1
        top = np.minimum.reduceat(starts - column * tall, first)
        height = np.maximum.reduceat(ends - column * tall, first) - top
        width = column[final] - column[first] + 1
        corners[owner[first]] = np.stack([top, column[first], height, width], 1)
    y, x, height = corners[owner, 0], corners[owner, 1], corners[owner, 2]
    move = (column - x) * height - y - column * tall
    crops, lengths = joined(starts + move, ends + move, owner, corners[:, 2] * corners[:, 3])
    return corners, crops, lengths

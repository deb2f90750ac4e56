"""Choosing pairs one-to-one so that their weights add up to the most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


def heaviest(rows: Ints, columns: Ints, weights: Floats) -> Flags:
    """Choose pairs so that no row and no column has two and the sum of weights is largest.

    Parameters
    ----------
    rows, columns : (N,) int64
        The pairs, each at most once.
    weights : (N,) float64
        Above 0.

    Returns
    -------
    (N,) bool
        Which are chosen. The sum is that of the Hungarian method; memory grows with the
        pairs, not with rows times columns.
    """
    chosen = np.zeros(len(rows), bool)
    left = np.arange(len(rows))
    while len(left):
        sure = _undisputed(rows[left], columns[left], weights[left])
        if not sure.any():
            chosen[left[_by_assignment(rows[left], columns[left], weights[left])]] = True
            break
        chosen[left[sure]] = True
        taken = np.isin(rows[left], rows[left[sure]]) | np.isin(columns[left], columns[left[sure]])
        left = left[~taken]
    return chosen


def _undisputed(rows: Ints, columns: Ints, weights: Floats) -> Flags:
    """Find pairs that outweigh the best two that either could be given up for.

    Some best choice has them, and nearly all nuclei are in one. Of equal ones, one is enough.
    """
    sure = weights > _best_other(rows, weights) + _best_other(columns, weights)
    return sure


def _best_other(nodes: Ints, weights: Floats) -> Floats:
    """Return the largest weight of each pair's node without the pair itself; 0 without one."""
    order = np.lexsort((-weights, nodes))
    node, weight = nodes[order], weights[order]
    first = np.concatenate([[True], node[1:] != node[:-1]])
    top = np.flatnonzero(first)
    size = np.diff(np.append(top, len(node)))
    second = np.where(size > 1, weight[np.minimum(top + 1, len(node) - 1)], 0)
    out = np.empty(len(nodes))
    out[order] = np.where(first, np.repeat(second, size), np.repeat(weight[top], size))
    return out


def _by_assignment(rows: Ints, columns: Ints, weights: Floats) -> Flags:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    row, column = (np.unique(n, return_inverse=True)[1] for n in (rows, columns))
    # A column of its own, at no gain, lets each row stay without a pair.
    count, wide = int(row.max()) + 1, int(column.max()) + 1
    own = np.arange(count)
    worst = float(weights.max()) + 1  # so that no cost is 0, which a sparse matrix leaves out
    cost = np.concatenate([worst - weights, np.full(count, worst)])
    at = (
        np.concatenate([row, own]).astype(np.int32),  # older SciPy has no matching of wider indices
        np.concatenate([column, wide + own]).astype(np.int32),
    )
    graph = coo_array((cost, at), (count, wide + count)).tocsr()
    taken = min_weight_full_bipartite_matching(graph)[1]
    out: Flags = taken[row] == column
    return out

"""AJI and AJI+: how much of all nuclei's pixels lie in the right nucleus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..masks import Mask
from .assignment import heaviest
from .match import Pairs

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Aggregated:
    """The aggregated Jaccard index of one image, two ways; 0…1."""

    aji: float
    aji_plus: float


def aggregated(
    truth: Sequence[Mask],
    predicted: Sequence[Mask],
    pairs: Pairs,
    ignored: Flags | None = None,
) -> Aggregated:
    """Reckon AJI and AJI+ of one image.

    Both are the common pixels of pairs of nuclei, over the pixels of either nucleus of these
    pairs and of all nuclei without a pair. In AJI each true nucleus takes the prediction with
    the largest IoU, even one that another nucleus has too; in AJI+ each prediction is taken
    once, so that the sum of IoU is largest.

    Parameters
    ----------
    truth, predicted : sequence of Mask
        The latter surest first: of predictions with equal IoU the surer one is taken.
    pairs : Pairs
        All that overlap at all.
    ignored : (P,) bool, optional
        Predictions in areas to ignore: their pixels do not count unless they are in a pair.

    Notes
    -----
    A pixel that lies in several true or several predicted nuclei counts once for each: hidden
    parts are judged as well. Without such overlaps this is the index of label images. Where
    there is nothing to find and nothing was found, both are 1.

    References
    ----------
    AJI: Kumar et al., "A Dataset and a Technique for Generalized Nuclear Segmentation for
    Computational Pathology", IEEE Transactions on Medical Imaging 36 (2017), algorithm 1, and
    the organizers' program for the challenge: Kumar et al., "A Multi-Organ Nucleus Segmentation
    Challenge", ibid. 39 (2020), which ranks by the mean over images; its best entry has 0.691.
    AJI+: Graham et al., "HoVer-Net", Medical Image Analysis 58 (2019), and its program.
    """
    areas = _areas(truth), _areas(predicted)
    both = areas[0][pairs.truth] + areas[1][pairs.predicted]
    # IoU = common / (both − common), and whole numbers come back exactly.
    common = np.rint(pairs.iou * both / (1 + pairs.iou)).astype(np.int64)
    counts = np.ones(len(predicted), bool) if ignored is None else ~ignored

    def index(chosen: Ints | Flags) -> float:
        alone = np.ones(len(truth), bool), counts.copy()
        alone[0][pairs.truth[chosen]] = alone[1][pairs.predicted[chosen]] = False
        shared = int(common[chosen].sum())
        either = int(both[chosen].sum()) - shared
        either += sum(int(area[free].sum()) for area, free in zip(areas, alone, strict=True))
        return shared / either if either else 1.0

    one_to_one = heaviest(pairs.truth, pairs.predicted, pairs.iou)
    return Aggregated(index(_best_of_each(pairs)), index(one_to_one))


def _areas(masks: Sequence[Mask]) -> Ints:
    return np.array([m.area for m in masks], np.int64)


def _best_of_each(pairs: Pairs) -> Ints:
    """Return the rows of each true nucleus's best pair."""
    order = np.lexsort((pairs.predicted, -pairs.iou, pairs.truth))
    first: Ints = order[np.unique(pairs.truth[order], return_index=True)[1]]
    return first

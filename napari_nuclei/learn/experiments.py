"""Experiments: models over data sets, as they are and made worse, as users would run them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import models
from ..errors import TrainingError
from ..models.card import Card
from ..models.registry import find
from ..models.runtime import name_of, pick_device
from ..progress import Progress, within
from .answers import Model, Source, code_digest, predictions, read_answer
from .disturb import CHANGES
from .figures import Answer, Judgement, judge

__all__ = ["Model", "Run", "Source", "experiments", "model"]


@dataclass(frozen=True, slots=True)
class Run:
    """One model over one data set, changed in one way, and what came of it.

    Attributes
    ----------
    machine : str
        Where the predictions were made.
    outdated : bool
        Whether they were made by another version of the program.
    """

    card: Card
    source: Source
    change: str
    answer: Answer
    judgement: Judgement
    machine: str = ""
    outdated: bool = False


def model(name: str, device: str = "auto") -> Model:
    """Find a model by name or weights file; its weights stay unread for now.

    Raises
    ------
    UserError
        If there is no such model or device.
    """
    chosen = pick_device(device)
    return Model(find(name), lambda: models.load(name, str(chosen)), name_of(chosen))


def experiments(
    chosen: Sequence[Model],
    sources: Sequence[Source],
    changes: Sequence[str],
    out: Path,
    again: bool = False,
    score: float | None = None,
) -> Generator[Progress, None, list[Run]]:
    """Judge every model on every data set under every change.

    Parameters
    ----------
    changes : sequence of str
        Of `disturb.CHANGES`.
    out : Path
        Folder of the predictions; those that lie there already are not made again.
    again : bool
        Make them again all the same.
    score : float, optional
        Threshold of the figures without a ranking; each card's own by default.

    Yields
    ------
    Progress
        `new` is a `Run` as each becomes ready.

    Returns
    -------
    list of Run
        As the generator's value.
    """
    if unknown := [c for c in changes if c not in CHANGES]:
        raise TrainingError(f"no change {unknown[0]!r}. There are: {', '.join(CHANGES)}.")
    plan = [(m, s, c) for m in chosen for s in sources for c in changes]
    runs: list[Run] = []
    for done, (one, source, change) in enumerate(plan):
        message = f"{one.card.name}, {source.label}, {change}"
        yield Progress(done, len(plan), message)
        steps = predictions(one, source, change, out, again)
        path = yield from within(steps, done, len(plan), message)
        run = _judged(one.card, source, change, path, score)
        runs.append(run)
        yield Progress(done + 1, len(plan), message, run)
    return runs


def _judged(card: Card, source: Source, change: str, path: Path, score: float | None) -> Run:
    answer, about = read_answer(path, change)
    threshold = card.threshold if score is None else score
    judgement = judge(source.truth, answer, threshold, source.ceilings)
    outdated = about["code"] != code_digest()
    return Run(card, source, change, answer, judgement, about["machine"], outdated)

"""What a retraining leaves behind: checkpoints while it runs, then a report and a model."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..atomic_files import read_json, unwritable, write_json
from ..errors import UserError
from ..models.card import Card, sha256_of
from ..models.maskrcnn import MaskRCNN
from ..models.registry import user_folder
from ..models.runtime import name_of
from ..models.versions import report_of
from ..models.weights import save_model
from .choosing import Candidate
from .gate import Change, Spreads, Verdict
from .job import RetrainJob
from .parallel import World
from .plan import Plan, remembered
from .validate import SAMPLE

STALE_DAYS = 30
"""Age from which on the checkpoints of another run are deleted."""

LOCKED = "locked tiles"
"""What cards call the part that judged them."""


@dataclass
class Report:
    """What came of a retraining.

    Attributes
    ----------
    name : str
        Of the new model.
    base : Card
        Of the old one.
    verdict : Verdict
        Accepted or refused, and why.
    locked : mapping
        The figures on the tiles that judge, before and after.
    sample : mapping
        The same on the bundled sample set, by kind of image.
    best : Candidate
        The mixture that was judged.
    plan : Plan
        What was learned from and what is locked.
    changes : list of Change
        Nuclei and errors that the two models differ on.
    card : Card or None
        Of the new model, once it is written.
    """

    name: str
    base: Card
    verdict: Verdict
    locked: Spreads
    sample: Mapping[str, Spreads]
    best: Candidate
    plan: Plan
    changes: list[Change]
    card: Card | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what ``retrain --json`` prints."""
        return {
            "accepted": self.verdict.accepted,
            "reasons": list(self.verdict.reasons),
            "name": self.name,
            "base": self.base.name,
            "licence": self.plan.licence,
            "weights": str(self.card.weights) if self.card else None,
            "sha256": self.card.sha256 if self.card else None,
            "factor": self.best.factor,
            "threshold": self.best.threshold,
            "learned_from": self.plan.to_json(),
            "figures": {
                "locked": _plain(self.locked),
                "sample": {kind: _plain(figures) for kind, figures in self.sample.items()},
            },
            "changes": [change.to_json() for change in self.changes],
        }


def _plain(figures: Spreads) -> dict[str, Any]:
    return {name: asdict(spread) for name, spread in figures.items()}


# -- while it runs ----------------------------------------------------------------------


def workspace(job: RetrainJob, base: Card, name: str, seconds: float) -> tuple[Path, float]:
    """Return the folder of a run and its seconds of training; the same for the same job.

    So a run that was cancelled or killed goes on when it is asked for again.
    """
    said: dict[str, Any] = {
        "coco": sha256_of(job.coco),
        "replay": sha256_of(job.replay) if job.replay else "",
        "base": base.sha256,
        "name": name,
        "minutes": job.minutes,
        "ignore": job.ignore,
    }
    key = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]
    runs = user_folder() / "runs"
    folder = runs / key
    _sweep(runs, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from None
    about = folder / "job.json"
    try:
        return folder, float(read_json(about)["seconds"])
    except (UserError, KeyError, TypeError, ValueError):
        write_json(about, {**said, "seconds": seconds})
        return folder, seconds


def _sweep(runs: Path, keep: Path) -> None:
    """Delete what runs have left that nobody has gone on with for long."""
    for folder in runs.glob("*") if runs.is_dir() else ():
        old = time.time() - folder.stat().st_mtime > STALE_DAYS * 86400
        if folder != keep and folder.is_dir() and old:
            shutil.rmtree(folder, ignore_errors=True)


def licence_of(base: Card, about: Iterable[Mapping[str, Any]]) -> str:
    """Return the licence of weights that come of others and of some data sets.

    Parameters
    ----------
    about : iterable of mapping
        What the data sets' files say beside their images; COCO lists `licenses` there. Works in
        the public domain ask for nothing.
    """
    out = [base.licence]
    for said in about:
        rows = said.get("licenses")
        for row in rows if isinstance(rows, list) else ():
            name = row.get("name") if isinstance(row, dict) else None
            free = not isinstance(name, str) or not name or name.upper().startswith("CC0")
            if not free and name not in out:
                out.append(str(name))
    return " and ".join(out)


# -- at its end -------------------------------------------------------------------------


def finish(
    report: Report,
    model: MaskRCNN,
    base: Card,
    job: RetrainJob,
    plan: Plan,
    spent: Mapping[str, Any],
    folder: Path,
    processes: World,
) -> Report:
    """Write the new model and the report; drop the checkpoints.

    An accepted model goes where models are found; a refused one goes aside, where it can only be
    used by its path.
    """
    count = len(plan.images)
    images = f"{count} reviewed image{'s' * (count > 1)} of {job.coco.name}"
    replay = f", replaying {job.replay.name}" if job.replay else ""
    training = {
        **spent,
        "machine": name_of(processes.device),
        "base_sha256": base.sha256,
        "accepted": report.verdict.accepted,
        "reasons": list(report.verdict.reasons),
        **remembered(plan, base),
    }
    card = base.model_copy(
        update={
            "name": report.name,
            "base": base.name,
            "licence": plan.licence,
            "threshold": report.best.threshold,
            "description": f"{base.name}, retrained on {images}{replay}.",
            "data": "; ".join(filter(None, (base.data, images + replay))),
            "created": datetime.now(UTC).date().isoformat(),
            "training": training,
            "scores": {
                LOCKED: {name: s.after for name, s in report.locked.items()},
                SAMPLE: {name: s.after for name, s in report.sample["all"].items()},
            },
            "path": None,
        }
    )
    models = user_folder()
    target = models if report.verdict.accepted else models / "refused"
    path = report_of(report.name)
    for place in (target, path.parent):
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(place, error) from None
    report.card = save_model(model, card, target)
    write_json(path, report.to_json())
    shutil.rmtree(folder, ignore_errors=True)
    return report

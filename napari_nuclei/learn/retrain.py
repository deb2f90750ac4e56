"""Retraining a model on what a person has reviewed, with a gate at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import TrainingError
from ..formats import coco
from ..formats.dataset import DataSet
from ..formats.image_files import files_in
from ..models import versions
from ..models.card import Card
from ..models.maskrcnn import MaskRCNN
from ..models.maskrcnn_detector import MaskRCNNDetector
from ..models.runtime import pick_device
from ..models.weights import load_network
from ..progress import Progress
from .agreement import Agreement, agreement
from .choosing import Candidate, best_f1, choose, looks, next_factor
from .examples import Example
from .fine_tune import Tuning, mixed, schedule, told
from .gate import Verdict, changes, judge
from .job import RetrainJob
from .keeping import Report, finish, licence_of, workspace
from .locked import Tile
from .looking import Found, look, sample_images, tally
from .parallel import World, world
from .plan import Plan, make_plan
from .reviewed import Reviewed, review_of
from .tally import Spread, Tally, compare

REPLAYED = 120
"""Images of the replay set that are read, at most."""

ALL = "all"


def retrain(job: RetrainJob, device: str = "auto") -> Generator[Progress, None, Report | None]:
    """Retrain a model, and keep the new one only if it is better.

    Yields
    ------
    Progress
        `new` is an event for a program: a dict with ``event``, one of ``plan``, ``loss``,
        ``validation`` and ``told``.

    Returns
    -------
    Report or None
        As the generator's value; None in all processes but the first, under `torchrun`.

    Raises
    ------
    UserError
        If the data, the base or the name are no good, or a disk is full. Nothing that there was
        is changed then, and the model in use stays in use.
    """
    with world(pick_device(device)) as processes:
        run = yield from _begun(job, processes)
        return (yield from run.go())


def _begun(job: RetrainJob, processes: World) -> Generator[Progress, None, _Run]:
    begun = time.monotonic()
    yield Progress(0, 0, "Loading the model")
    network, base = load_network(job.base)
    name = job.name or versions.free_name(base.name)
    versions.check_name(name)
    told: list[str] | None = None if job.strict else []
    data = coco.read(job.coco, told, job.images)
    images = yield from review_of(data, job.images, str(job.coco))
    plan = make_plan(images, base, str(job.coco))
    replay = coco.read(job.replay, told) if job.replay else None
    for remark in told or ():
        yield Progress(0, 0, "Reading the images", {"event": "told", "text": remark})
    about = [data.about, replay.about] if replay else [data.about]
    plan = replace(plan, licence=licence_of(base, about))
    event = {"event": "plan", "base": base.name, "name": name, "licence": plan.licence}
    yield Progress(0, 0, "Reading the images", {**event, **plan.to_json()})
    return _Run(job, processes, network, base, name, plan, replay, begun)


@dataclass
class _Seen:
    """What one model shows: its images, and the tallies that are made of them."""

    locked: list[Found]
    sample: list[Found]
    tallies: dict[str, Tally] = field(default_factory=dict)

    @property
    def sample_tallies(self) -> dict[str, Tally]:
        """Those of the sample set: of all of it, and by kind of image."""
        return {key: t for key, t in self.tallies.items() if key not in ("choosing", "judging")}


@dataclass
class _Run:
    job: RetrainJob
    processes: World
    network: MaskRCNN
    base: Card
    name: str
    plan: Plan
    replay: DataSet | None
    begun: float

    def __post_init__(self) -> None:
        self.sample, self.sample_folder = sample_images()
        self.pass_seconds = 0.0

    @property
    def budget(self) -> float:
        return self.job.minutes * 60

    def go(self) -> Generator[Progress, None, Report | None]:
        """Do it all; see `retrain`."""
        first = self.processes.first
        before = (
            (yield from self._look(self.network, "Evaluating the old model")) if first else None
        )
        labels = self._agreement(before.locked) if before else None
        if labels and labels.doubtful:
            yield Progress(0, 0, "The labels do not fit", told(f"Warning: {labels.summary}."))
        folder, seconds = workspace(self.job, self.base, self.name, self._training_seconds())
        seconds = self.processes.of_first(seconds)
        examples = yield from self._examples()
        tuning = Tuning(
            self.network,
            examples,
            folder,
            schedule(seconds),
            self.processes,
            max(seconds / 5, 3 * self.pass_seconds),
        )
        start = before.tallies["choosing"].figures(self.base.threshold)["f1_50"] if before else 0.0
        state = yield from tuning.run(self._check, start)
        if before is None:
            return None
        seen: dict[float, _Seen] = {}
        shown: dict[float, tuple[Tally, dict[str, Tally]]] = {}
        known = before.sample_tallies, self.base.threshold
        while len(seen) < looks(self.budget, self.pass_seconds):
            factor = next_factor(shown, *known)
            if factor is None:
                break
            model = mixed(self.network, state.ema, factor)
            now = yield from self._look(model, f"Evaluating {factor:.0%} of the new weights")
            seen[factor], shown[factor] = now, (now.tallies["choosing"], now.sample_tallies)
        best = choose(shown, *known)
        report = self._report(before, seen[best.factor], best, labels)
        spent = {"steps": state.step, "seconds": round(state.seconds, 1), "factor": best.factor}
        model = mixed(self.network, state.ema, best.factor)
        yield Progress(self.budget, self.budget, "Writing the model")
        return finish(report, model, self.base, self.job, self.plan, spent, folder, self.processes)

    # -- looking ----------------------------------------------------------------------

    def _look(self, model: MaskRCNN, message: str) -> Generator[Progress, None, _Seen]:
        begun = time.monotonic()
        detector = MaskRCNNDetector(model, self.base, self.processes.device)
        locked = yield from look(self.plan.judged, self.job.images, detector, message)
        sample = yield from look(self.sample, self.sample_folder, detector, message)
        self.pass_seconds = max(self.pass_seconds, time.monotonic() - begun)
        whole = tally(self.plan.judged, locked, self.plan.tiles_of)
        tallies = {
            "choosing": whole.of_tiles(self.plan.chooses),
            "judging": whole.of_tiles(self.plan.judges),
            ALL: tally(self.sample, sample, lambda image: list(image.grid)),
        }
        for kind in sorted({image.record.modality for image in self.sample}):
            digests = {i.grid.digest for i in self.sample if i.record.modality == kind}
            tallies[kind] = tallies[ALL].of_tiles(_of_images(digests))
        return _Seen(locked, sample, tallies)

    def _agreement(self, found: list[Found]) -> Agreement:
        learned, locked = (
            tally(self.plan.judged, found, tiles)
            for tiles in (self.plan.open_tiles_of, self.plan.tiles_of)
        )
        return agreement(learned, locked, self.base.threshold)

    def _check(self, model: MaskRCNN, message: str) -> Generator[Progress, None, float]:
        """Return the F1 on the tiles that are chosen by, at whatever threshold is best."""
        detector = MaskRCNNDetector(model, self.base, self.processes.device)
        images = [i for i in self.plan.judged if any(map(self.plan.chooses, self._tiles(i)))]
        found = yield from look(images, self.job.images, detector, message)
        return best_f1(tally(images, found, self._tiles).of_tiles(self.plan.chooses))

    def _tiles(self, image: Reviewed) -> list[Tile]:
        return self.plan.tiles_of(image)

    # -- training ---------------------------------------------------------------------

    def _training_seconds(self) -> float:
        """Return what is left for training, once the gate has its part."""
        judging = (1 + looks(self.budget, self.pass_seconds)) * self.pass_seconds
        left = self.budget - (time.monotonic() - self.begun) - judging
        return max(left, 0.4 * self.budget)

    def _examples(self) -> Generator[Progress, None, list[Example]]:
        out = []
        job, plan, size = self.job, self.plan, self.base.diameter
        for done, image in enumerate(plan.images):
            yield Progress(done, len(plan.images), "Preparing the images")
            out.append(plan.example(image, job.images, size, "own", job.ignore))
        if job.replay and self.replay:
            folder, images = yield from replayed(job.replay, self.replay)
            for done, image in enumerate(images):
                yield Progress(done, len(images), "Preparing the replay set")
                out.append(plan.example(image, folder, size, "replay"))
        return out

    # -- judging ----------------------------------------------------------------------

    def _report(
        self, before: _Seen, after: _Seen, best: Candidate, labels: Agreement | None
    ) -> Report:
        thresholds = (self.base.threshold, best.threshold)
        every: dict[str, dict[str, Spread]] = {
            key: compare(before.tallies[key], after.tallies[key], thresholds)
            for key in before.tallies
        }
        sample = {key: s for key, s in every.items() if key not in ("choosing", "judging")}
        verdict: Verdict = judge(every["judging"], sample, labels)
        listed = [
            change
            for image, old, new in zip(self.plan.judged, before.locked, after.locked, strict=True)
            for change in changes(
                image,
                self.plan.locked_of(image),
                *([f for f in e if f[1] >= t] for e, t in zip((old, new), thresholds, strict=True)),
            )
        ]
        return Report(
            self.name, self.base, verdict, every["judging"], sample, best, self.plan, listed
        )


def _of_images(digests: set[str]) -> Callable[[Tile], bool]:
    return lambda tile: tile.digest in digests


def replayed(path: Path, data: DataSet) -> Generator[Progress, None, tuple[Path, list[Reviewed]]]:
    """Read a replay set: the folder of its images, and some of them.

    Raises
    ------
    UserError
        If its images are neither beside it nor in ``images`` there.
    """
    if not data.images:
        raise TrainingError(f"{path}: lists no images to replay.")
    folder = path.parent
    if files_in(folder).find(data.images[0].file_name).value is None:
        raise TrainingError(
            f"{path}: its images are neither beside it nor in {folder / 'images'}: put them there."
        )
    step = max(1, -(-len(data.images) // REPLAYED))
    some = replace(data, images=data.images[::step])
    return folder, (yield from review_of(some, folder, str(path)))

"""Retraining as a whole: a run of some seconds, its report, its files, and what stops it."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch
from reviews import write_review
from shell import Run, refused
from tiny import write_data, write_model

from napari_nuclei.cli import main
from napari_nuclei.errors import UserError
from napari_nuclei.learn import fine_tune, loop, retrain
from napari_nuclei.learn.fine_tune import mixed
from napari_nuclei.learn.gate import Verdict
from napari_nuclei.learn.keeping import licence_of
from napari_nuclei.learn.loop import new_state
from napari_nuclei.learn.memory import smaller
from napari_nuclei.learn.parallel import ALONE
from napari_nuclei.learn.recipe import Schedule
from napari_nuclei.models import Card, registry, versions
from napari_nuclei.models.weights import load_network

SIDE = 320


@pytest.fixture(scope="module")
def review(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reviewed data set, its image beside it."""
    return write_review(tmp_path_factory.mktemp("review"), 1, SIDE)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setenv("NAPARI_NUCLEI_MODELS", str(folder))
    write_model(folder, "base")
    versions.use("base")
    return folder


@pytest.fixture
def models_folder(models: Path) -> Path:
    return models


@pytest.fixture
def run(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr("napari_nuclei.commands.retrain._be_polite", lambda: None)
    return run


def hurry(patch: pytest.MonkeyPatch) -> None:
    """Few small crops, one sample image: what takes long in earnest."""

    def schedule(_seconds: float) -> Schedule:
        return Schedule(minutes=0.02, batch=2, crop=64, workers=0, freeze_norm=True, warmup_steps=1)

    patch.setattr(retrain, "schedule", schedule)
    images, folder = retrain.sample_images()
    patch.setattr(retrain, "sample_images", lambda: (images[:1], folder))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


def arguments(review: Path, *more: object) -> tuple[object, ...]:
    about = ("--images", review.parent, "--minutes", "0.02", "--device", "cpu")
    return ("retrain", review, *about, *more)


def decide(monkeypatch: pytest.MonkeyPatch, accepted: bool) -> None:
    monkeypatch.setattr(retrain, "judge", lambda *_: Verdict(accepted, ("it is a test",)))


# -- a run ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told(review: Path, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A run whose model was accepted: its folder, exit code, lines, stderr, politeness."""
    of = SimpleNamespace(models=tmp_path_factory.mktemp("accepted") / "models", polite=[])
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_NUCLEI_MODELS", str(of.models))
        patch.setattr("napari_nuclei.commands.retrain._be_polite", lambda: of.polite.append(True))
        write_model(of.models, "base")
        versions.use("base")
        hurry(patch)
        decide(patch, accepted=True)
        command = arguments(review, "--lines", "--name", "mine")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            of.code = main([str(word) for word in command])
    of.events = [json.loads(line) for line in out.getvalue().splitlines()]
    of.err = err.getvalue()
    return of


def test_an_accepted_model_can_be_used(
    told: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = told.models
    monkeypatch.setenv("NAPARI_NUCLEI_MODELS", str(models))
    assert told.code == 0, told.err
    report = {key: value for key, value in told.events[-1].items() if key != "event"}
    assert report["accepted"]
    assert (report["name"], report["base"], report["licence"]) == ("mine", "base", "CC0-1.0")
    card = registry.find("mine")
    assert card.sha256 == report["sha256"]
    assert card.base == "base"
    assert card.training["accepted"]
    assert card.training["factor"] == report["factor"]
    assert card.training["learned"]
    assert 0 <= card.scores["locked tiles"]["f1_50"] <= 1
    assert report["learned_from"]["nuclei"]["accepted"] == 64
    assert set(report["figures"]["sample"]) >= {"all"}
    assert json.loads(versions.report_of("mine").read_text()) == report
    assert registry.current().name == "base", "it is the person who decides"
    assert versions.use("mine").name == "mine"
    assert not list((models / "runs").iterdir()), "checkpoints are dropped"
    old, new = (load_network(name)[0].state_dict() for name in ("base", "mine"))
    assert any(not torch.equal(old[name], new[name]) for name in old)
    norms = [name for name in old if "running" in name]
    assert norms
    assert all(torch.equal(old[name], new[name]) for name in norms)


@pytest.mark.usefixtures("quick")
def test_a_refused_model_is_put_aside(
    run: Run, models: Path, review: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(monkeypatch, accepted=False)
    code, out, err = run(*arguments(review))
    assert code == 1, err
    assert "Refused: " in out
    assert "The old model stays in use" in out
    assert "locked tiles, F1" in out
    assert "base (CC0-1.0) → base-2" in err
    names = [card.name for card in registry.cards()]
    assert "base-2" not in names
    assert registry.current().name == "base"
    refused_card = registry.find(str(models / "refused" / "base-2.safetensors"))
    assert not refused_card.training["accepted"]
    assert refused_card.training["reasons"]


def test_a_program_reads_lines(told: SimpleNamespace) -> None:
    assert told.err == ""
    assert told.polite == [True]
    events = told.events
    assert told.code == 0
    kinds = [event["event"] for event in events]
    assert kinds[-1] == "report"
    assert {"plan", "progress", "loss", "validation"} <= set(kinds)
    plan = events[kinds.index("plan")]
    assert plan["judged"] + plan["learned"] == 64
    assert sum(len(boxes) for boxes in plan["locked"].values()) == plan["tiles"]["judging"]
    losses = [event for event in events if event["event"] == "loss"]
    assert [e["step"] for e in losses] == list(range(1, len(losses) + 1))
    assert all(event["loss"] > 0 for event in losses)
    assert all(e["left"] >= 0 for e in events if e["event"] == "progress")


@pytest.mark.usefixtures("quick")
def test_what_must_not_be_forgotten_is_replayed(
    run: Run, review: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(monkeypatch, accepted=True)
    folder = tmp_path / "old"
    (folder / "images").mkdir(parents=True)
    truth = write_data(folder / "images", 2, 96)
    shutil.move(truth, folder / "truth.json")
    value = json.loads((folder / "truth.json").read_text())
    value["licenses"] = [{"id": 1, "name": "CC BY-NC-SA 4.0"}]
    del value["napari_nuclei"]
    (folder / "truth.json").write_text(json.dumps(value))
    code, out, err = run(*arguments(review, "--replay", folder / "truth.json", "--json"))
    assert code == 0, err
    report = json.loads(out)
    assert json.loads(versions.report_of(report["name"]).read_text()) == report
    card = registry.find(report["name"])
    assert card.licence == "CC0-1.0 and CC BY-NC-SA 4.0"
    assert "replaying truth.json" in card.data
    (folder / "images").rename(tmp_path / "gone")
    refused(run(*arguments(review, "--replay", folder / "truth.json")), "its images are neither")


# -- small parts ------------------------------------------------------------------------


def test_licences_add_up() -> None:
    base = Card(name="x", architecture={}, diameter=1, licence="BSD-3-Clause")
    nc = {"licenses": [{"name": "CC BY-NC-SA 4.0"}, {"name": "CC0 1.0"}, {}, "odd"]}
    assert licence_of(base, [{}]) == "BSD-3-Clause"
    assert licence_of(base, [nc, nc]) == "BSD-3-Clause and CC BY-NC-SA 4.0"
    bound = base.model_copy(update={"licence": "CC BY-NC-SA 4.0"})
    assert licence_of(bound, [nc, {"licenses": None}]) == "CC BY-NC-SA 4.0"


def test_weights_are_mixed(models: Path) -> None:
    write_model(models, "other", 5)
    old, new = load_network("base")[0], load_network("other")[0]
    for factor, wanted in ((0.0, old), (1.0, new)):
        got = mixed(old, new, factor).state_dict()
        torch.testing.assert_close(got, wanted.state_dict())
    half, name = mixed(old, new, 0.5).state_dict(), "box_head.fc1.weight"
    mean = (old.state_dict()[name] + new.state_dict()[name]) / 2
    torch.testing.assert_close(half[name], mean)


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate"),
     RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")],
)  # fmt: skip
def test_less_memory_is_used_where_there_is_no_more(error: Exception) -> None:
    plan = Schedule(batch=4, crop=256)
    seen = []
    for _ in range(4):
        plan = smaller(plan, error, ALONE)
        seen.append((plan.batch, plan.crop))
    assert seen == [(2, 256), (1, 256), (1, 192), (1, 128)]
    with pytest.raises(UserError, match="even with single crops of 128 px"):
        smaller(plan, error, ALONE)
    with pytest.raises(RuntimeError, match="shape"):
        smaller(plan, RuntimeError("shape mismatch"), ALONE)


@pytest.mark.usefixtures("quick")
def test_out_of_memory_is_told_and_survived(
    run: Run, review: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = loop.losses, []

    def short(*inputs: Any) -> Any:
        calls.append(len(inputs[2]))
        if len(calls) == 1:
            raise RuntimeError("not enough memory")
        return real(*inputs)

    monkeypatch.setattr(loop, "losses", short)
    code, out, _ = run(*arguments(review, "--lines"))
    accepted = json.loads(out.splitlines()[-1])["accepted"]
    assert code == (0 if accepted else 1), "judged all the same"
    assert calls[:2] == [2, 1]
    assert "Out of memory: continuing with 1 crop of 64 px at a time" in out


def test_training_is_polite() -> None:
    code = "from napari_nuclei.commands.retrain import _be_polite; _be_polite(); import psutil;"
    answer = subprocess.run(
        [sys.executable, "-c", code + "print(psutil.Process().nice())"],
        capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(registry.__file__).parents[2])},
    )  # fmt: skip
    assert int(answer.stdout) > psutil.Process().nice()


# -- what stops it ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--model", "gone"), "no model named 'gone'"),
        (("--name", "base"), "a model named 'base' already"),
        (("--name", "a/b"), "cannot be a model's name"),
        (("--replay", "gone.json"), "no such file"),
        (("--images", "gone"), "no such folder of images"),
        (("--device", "tpu"), "no device 'tpu'"),
    ],
)
def test_what_cannot_begin(
    run: Run, models: Path, review: Path, more: tuple[str, ...], words: str
) -> None:
    refused(run(*arguments(review, *more)), words)
    assert registry.current().name == "base"
    assert not (models / "runs").exists()


def test_broken_entries_are_told_or_refused(run: Run, review: Path, tmp_path: Path) -> None:
    value = json.loads(review.read_text())
    value["annotations"][3]["image_id"] = 99
    broken = tmp_path / "review.json"
    broken.write_text(json.dumps(value))
    about = ("--images", review.parent, "--minutes", "0.02", "--device", "cpu")
    steps = retrain.retrain(retrain.RetrainJob(broken, review.parent, "base"), "cpu")
    said = next(step.new for step in steps if step.new)
    steps.close()
    assert said["event"] == "told"
    assert "4 (belongs to image 99" in said["text"]
    refused(run("retrain", broken, *about, "--strict"), "belongs to image 99")


def test_a_base_whose_weights_are_damaged(run: Run, models: Path, review: Path) -> None:
    with (models / "base.safetensors").open("r+b") as file:
        file.truncate(1000)
    refused(run(*arguments(review)), "damaged")
    (models / "base.safetensors").unlink()
    refused(run(*arguments(review, "--model", "base")), "weights of 'base' are missing")


def test_masks_that_do_not_fit(run: Run, review: Path, tmp_path: Path) -> None:
    value = json.loads(review.read_text())
    value["annotations"][0]["segmentation"]["size"] = [9, 9]
    (tmp_path / "r.json").write_text(json.dumps(value))
    command = arguments(tmp_path / "r.json", "--images", review.parent, "--strict")
    refused(run(*command), "annotation 1")
    code, out, err = run(*command, "--lines")
    assert code == 2
    last = json.loads(out.splitlines()[-1])
    assert last["event"] == "error"
    assert last["text"] in err


def start(review: Path, models: Path, *more: object, minutes: str = "5") -> subprocess.Popen[str]:
    command = arguments(review, "--lines", "--name", "mine", *more)
    environment = {
        **os.environ, "NAPARI_NUCLEI_MODELS": str(models), "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(
            (str(Path(__file__).parent), str(Path(registry.__file__).parents[2]))
        ),
    }  # fmt: skip
    words = [minutes if word == "0.02" else str(word) for word in command]
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "napari_nuclei", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


def events(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    return (json.loads(line) for line in process.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("until", ["plan", "loss"])
def test_killed_at_any_moment_nothing_is_lost(models: Path, review: Path, until: str) -> None:
    before = {path.name: path.read_bytes() for path in models.glob("*") if path.is_file()}
    with start(review, models) as process:
        try:
            assert any(event["event"] == until for event in events(process))
        finally:
            process.kill()
    assert registry.current().name == "base"
    assert {path.name: path.read_bytes() for path in models.glob("*") if path.is_file()} == before


@pytest.mark.usefixtures("quick")
def test_a_stopped_run_goes_on(models: Path, review: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_tune, "SAVE_SECONDS", 0)
    monkeypatch.setattr(
        retrain, "schedule",
        lambda _: Schedule(minutes=5, batch=1, crop=64, workers=0, freeze_norm=True),
    )  # fmt: skip
    job = retrain.RetrainJob(review, review.parent, "base", "mine", 5)
    seen = []
    steps = retrain.retrain(job, "cpu")
    for step in steps:
        event = step.new or {}
        seen.append(event)
        if event.get("step", 0) >= 4:
            break
    steps.close()
    again = retrain.retrain(job, "cpu")
    going = (s.new for s in again if s.new and s.new["event"] in ("told", "loss"))
    told = list(itertools.islice(going, 2))
    again.close()
    assert told[0]["text"] == "Continuing from step 3"
    assert told[1]["step"] == 4
    other = retrain.retrain(retrain.RetrainJob(review, review.parent, "base", "mine", 6), "cpu")
    first = next(step.new for step in other if step.new and step.new["event"] != "plan")
    other.close()
    assert first["step"] == 1, "another job begins anew"


@pytest.mark.usefixtures("quick")
def test_a_broken_checkpoint_is_told(models: Path, review: Path) -> None:
    job = retrain.RetrainJob(review, review.parent, "base", "mine", 5)
    steps = retrain.retrain(job, "cpu")
    assert any(step.new and step.new["event"] == "loss" for step in steps)
    steps.close()
    (folder,) = (models / "runs").iterdir()
    (folder / "last.ckpt").write_bytes(b"PK\3\4 cut short")
    again = retrain.retrain(job, "cpu")
    told = next(s.new for s in again if s.new and s.new["event"] == "told")
    again.close()
    assert told["text"] == "The checkpoint is damaged: starting over"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk on which the small model finds room, but no checkpoint."""
    point = tmp_path / "disk"
    point.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", str(point)]
    if shutil.which("mount") is None or sys.platform != "linux":
        pytest.skip("no mount command here")
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        pytest.skip(f"mounting is not allowed here: {answer.stderr.strip()}")
    yield point
    subprocess.run(["umount", "-l", str(point)], check=True)


@pytest.mark.usefixtures("quick")
def test_a_disk_that_fills_up(
    run: Run, small_disk: Path, review: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fine_tune, "SAVE_SECONDS", 0)
    models = small_disk / "models"
    monkeypatch.setenv("NAPARI_NUCLEI_MODELS", str(models))
    write_model(models, "base")
    versions.use("base")
    before = sorted(models.iterdir())
    code, out, err = run(*arguments(review, "--lines"))
    assert "Continuing without checkpoints: cannot write" in out
    assert "the disk is full" in out
    assert code in (0, 1), err  # it could still be judged, and there was room for the small model
    with (small_disk / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"0" * 65536)
    code, out, err = run(*arguments(review, "--name", "other"))
    assert code == 2
    assert "the disk is full" in err
    assert registry.current().name == "base"
    assert load_network("base")[1].name == "base"
    assert [path for path in models.iterdir() if path.name.startswith("other")] == []
    assert set(before) <= set(models.iterdir())


def test_a_reader_that_goes_away_ends_the_run(models: Path, review: Path) -> None:
    with start(review, models) as process:
        assert any(event["event"] == "plan" for event in events(process))
        assert process.stdout is not None
        process.stdout.close()
        try:
            code = process.wait(120)  # of five minutes that it was given
        finally:
            process.kill()
    assert code == 1, "it went by itself, long before its five minutes were over"
    assert registry.current().name == "base"


def test_a_fresh_state_is_of_the_base(models: Path) -> None:
    network = load_network("base")[0]
    state = new_state(network.arch, Schedule(), network.state_dict(), torch.device("cpu"))
    torch.testing.assert_close(state.ema.state_dict(), network.state_dict())

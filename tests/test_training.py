"""Training: the loop, its checkpoints, and a whole run of some seconds."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tiny import SMALL, write_data

from napari_nuclei.errors import UserError
from napari_nuclei.formats import coco
from napari_nuclei.learn.examples import Example, load_examples
from napari_nuclei.learn.loop import State, learning_rate, new_state, train_steps
from napari_nuclei.learn.recipe import Recipe, Schedule, read_recipe
from napari_nuclei.learn.run import forget_after, train
from napari_nuclei.models import load
from napari_nuclei.models.card import Card, sha256_of
from napari_nuclei.progress import Progress, result_of

CPU = torch.device("cpu")


def write_recipe(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return folder


@pytest.fixture(scope="module")
def examples(data_folder: Path) -> list[Example]:
    return load_examples(coco.read(data_folder / "truth.json"), data_folder, 16)


def test_the_learning_rate_warms_up_holds_and_falls() -> None:
    schedule = Schedule(rate=1.0, warmup_steps=10, decay_from=0.5)
    rates = [learning_rate(schedule, k, 0) for k in range(12)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:] == [1, 1, 1]
    assert learning_rate(schedule, 99, 0.5) == 1
    assert learning_rate(schedule, 99, 0.75) == pytest.approx(0.5)
    assert learning_rate(schedule, 99, 1) == pytest.approx(0.02)


def tiny_recipe(**schedule: Any) -> Recipe:
    values = {"minutes": 1e6, "batch": 2, "crop": 32, "workers": 0, "warmup_steps": 3, **schedule}
    return Recipe(name="x", out=Path("unused"), schedule=Schedule(**values))


def test_a_resumed_run_has_the_same_weights(examples: list[Example], tmp_path: Path) -> None:
    recipe = tiny_recipe()

    def go(state: State, steps: int) -> State:
        every = train_steps(state, examples, recipe, CPU, tmp_path / "losses.csv")
        for _ in itertools.islice(every, steps):
            pass
        return state

    straight = go(new_state(SMALL, recipe.schedule, None, CPU), 4)
    half = go(new_state(SMALL, recipe.schedule, None, CPU), 2)
    half.save(tmp_path / "last.ckpt")
    resumed = new_state(SMALL, Schedule(seed=7), None, CPU)
    resumed.load(tmp_path / "last.ckpt")
    assert resumed.seconds == half.seconds
    go(resumed, 2)
    assert straight.step == resumed.step == 4
    for a, b in ((straight.model, resumed.model), (straight.ema, resumed.ema)):
        torch.testing.assert_close(a.state_dict(), b.state_dict(), rtol=0, atol=0)
    fresh = new_state(SMALL, recipe.schedule, None, CPU).model.state_dict()
    assert any(not torch.equal(t, fresh[n]) for n, t in resumed.model.state_dict().items())


def test_a_log_forgets_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    log = tmp_path / "losses.csv"
    forget_after(log, 3)
    assert not log.exists()
    log.write_text("step,loss\n1,0.5\n3,0.4\n4,0.3\n5,0.", encoding="utf-8")
    forget_after(log, 3)
    assert log.read_text(encoding="utf-8") == "step,loss\n1,0.5\n3,0.4\n"


# -- a whole run ------------------------------------------------------------------------

RECIPE = """
name = "small"
out = "{out}"
diameter = 16
[[data.train]]
coco = "truth.json"
images = "."
[[data.validation]]
coco = "truth.json"
images = "."
[network]
channels = 16
box_hidden = 16
mask_channels = 8
mask_layers = 1
[schedule]
minutes = {minutes}
batch = 2
crop = 48
workers = 0
warmup_steps = 2
[card]
licence = "CC0-1.0"
data = "synthetic"
"""


def run_recipe(folder: Path, out: Path, minutes: float, resume: bool = False) -> Card:
    path = write_recipe(
        out.with_suffix(".toml"), RECIPE.format(out=out.as_posix(), minutes=minutes)
    )
    return result_of(train(read_recipe(path), folder, "cpu", resume))


def steps_in(log: Path) -> list[int]:
    with log.open(newline="", encoding="utf-8") as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


def test_a_run_writes_all_that_belongs_to_it_and_can_go_on(
    data_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "small"
    card = run_recipe(data_folder, out, 0.01)
    names = {p.name for p in out.iterdir()}
    assert names == {
        "losses.csv", "validation.csv", "curve.png", "last.ckpt", "best.ckpt",
        "small.safetensors", "small.json",
    }  # fmt: skip
    first = steps_in(out / "losses.csv")
    assert first == list(range(1, len(first) + 1))
    assert first
    with Image.open(out / "curve.png") as curve:
        assert curve.width > 400
    assert card.sha256 == sha256_of(out / "small.safetensors")
    assert (card.licence, card.data, card.diameter) == ("CC0-1.0", "synthetic", 16)
    assert set(card.calibration) == {"slope", "offset"}
    assert 0 <= card.scores["truth.json"]["f1_50"] <= 1
    assert card.training["steps"] == len(first)
    assert load(str(out / "small.safetensors"), "cpu").card.threshold == card.threshold

    with pytest.raises(UserError, match="holds an earlier run: continue with --resume"):
        run_recipe(data_folder, out, 1)
    with (out / "losses.csv").open("a", encoding="utf-8") as file:
        file.write("999,1,1,1,1,1,1,1,1\n1000,")  # a run that was killed
    recipe = read_recipe(out.with_suffix(".toml"), {"schedule": {"minutes": 1e3}})
    again = train(recipe, data_folder, "cpu", resume=True)
    assert any(isinstance(step.new, dict) for step in again)  # one step further
    again.close()
    assert steps_in(out / "losses.csv") == [*first, len(first) + 1]


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda f: (f / "truth.json").write_text("{}"), "truth.json"),
        (lambda f: (f / "truth.json").unlink(), "there is no such file"),
        (lambda f: (f / "1.png").write_bytes(b"no image"), "not an image"),
        (lambda f: (f / "out").write_text("a file"), "is a file: name a folder"),
    ],
)
def test_runs_that_cannot_begin(tmp_path: Path, break_it: Any, words: str) -> None:
    write_data(tmp_path, 1, 64)
    break_it(tmp_path)
    with pytest.raises(UserError, match=words):
        run_recipe(tmp_path, tmp_path / "out", 1)


def test_runs_that_cannot_go_on(data_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing to resume"):
        run_recipe(data_folder, tmp_path, 1, resume=True)
    (tmp_path / "last.ckpt").write_bytes(b"PK\3\4 cut short")
    with pytest.raises(UserError, match=r"last\.ckpt: damaged, or of another network"):
        run_recipe(data_folder, tmp_path, 1, resume=True)


def test_a_recipe_without_data(tmp_path: Path) -> None:
    recipe = Recipe(name="x", out=tmp_path)
    steps = train(recipe, tmp_path, "cpu")
    assert isinstance(next(steps), Progress)
    with pytest.raises(UserError, match=r"add \[\[data\.train\]\]"):
        next(steps)


def test_broken_entries_are_told_or_refused(tmp_path: Path) -> None:
    write_data(tmp_path, 1, 64)
    value = json.loads((tmp_path / "truth.json").read_text())
    value["annotations"].append({**value["annotations"][0], "id": 77, "image_id": 99})
    (tmp_path / "truth.json").write_text(json.dumps(value))
    text = RECIPE.format(out=(tmp_path / "out").as_posix(), minutes=1)
    recipe = read_recipe(write_recipe(tmp_path / "r.toml", text))
    steps = train(recipe, tmp_path, "cpu")
    said = next(step.new for step in steps if step.new)
    steps.close()
    assert said.startswith("truth.json: 1 of ")
    assert "77 (belongs to image 99, which is not listed under images)" in said
    with pytest.raises(UserError, match="belongs to image 99"):
        result_of(train(recipe, tmp_path, "cpu", strict=True))

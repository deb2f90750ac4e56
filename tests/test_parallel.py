"""Training in several processes: what they learn together is what one would learn alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import SMALL, write_data
from torch import distributed

from napari_nuclei.errors import UserError
from napari_nuclei.formats import coco
from napari_nuclei.learn.data import Crops
from napari_nuclei.learn.examples import load_examples
from napari_nuclei.learn.loop import new_state, train_steps
from napari_nuclei.learn.parallel import World
from napari_nuclei.learn.recipe import Recipe, Schedule
from napari_nuclei.models import registry

WORKER = Path(__file__).with_name("gradient_worker.py")
needs_gloo = pytest.mark.skipif(
    not distributed.is_available() or not distributed.is_gloo_available(),
    reason="this torch has no gloo",
)


def run(*command: object, folder: Path) -> None:
    environment = {
        **os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore",
        "PYTHONPATH": os.pathsep.join((str(WORKER.parent), str(WORKER.parents[1]))),
    }  # fmt: skip
    answer = subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True, text=True, cwd=folder, env=environment, check=False, timeout=600,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr


@needs_gloo
@pytest.mark.slow
@pytest.mark.timeout(1300)
def test_two_processes_have_the_gradients_of_one(tmp_path: Path) -> None:
    write_data(tmp_path)
    alone, together = tmp_path / "alone.pt", tmp_path / "together.pt"
    run(WORKER, tmp_path, alone, folder=tmp_path)
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2)
    run(*torchrun, WORKER, tmp_path, together, folder=tmp_path)
    one, two = (torch.load(path, weights_only=True) for path in (alone, together))
    assert one.keys() == two.keys()
    largest = 0.0
    for name, gradient in one.items():
        assert (gradient - two[name]).abs().max() < 1e-4, name
        largest = max(largest, float(gradient.abs().max()))
    assert largest > 0.01


RECIPE = """
name = "small"
out = "out"
diameter = 16
data = {{ train = [{{ coco = "truth.json", images = "." }}] }}
network = {{ channels = 16, box_hidden = 16, mask_channels = 8, mask_layers = 1 }}
schedule = {{ minutes = 0.02, batch = {batch}, crop = 48, workers = 0, warmup_steps = 2 }}
"""


@needs_gloo
@pytest.mark.slow
@pytest.mark.timeout(700)
def test_the_command_runs_under_torchrun(tmp_path: Path) -> None:
    write_data(tmp_path, 1, 64)
    (tmp_path / "r.toml").write_text(RECIPE.format(batch=2))
    run(
        "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2,
        "-m", "napari_nuclei", "train", "r.toml", "--device", "cpu", folder=tmp_path,
    )  # fmt: skip
    rows = (tmp_path / "out" / "losses.csv").read_text().splitlines()[1:]
    assert [int(row.partition(",")[0]) for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) > 0
    card = registry.find(str(tmp_path / "out" / "small.safetensors"))
    assert card.training["steps"] == len(rows)


def test_processes_draw_the_batch_of_one(tmp_path: Path) -> None:
    examples = load_examples(coco.read(write_data(tmp_path)), tmp_path, 16)
    whole = iter(Crops(examples, 32, batch=4))
    parts = [iter(Crops(examples, 32, batch=4, rank=r, size=2)) for r in range(2)]
    for _ in range(2):
        seeds = [next(whole)[1].seed for _ in range(4)]
        assert seeds == [next(part)[1].seed for part in parts for _ in range(2)]
        assert len(set(seeds)) == 4


def test_a_batch_that_cannot_be_shared(tmp_path: Path) -> None:
    recipe = Recipe(name="x", out=tmp_path, schedule=Schedule(batch=4))
    state = new_state(SMALL, recipe.schedule, None, torch.device("cpu"))
    steps = train_steps(
        state, [], recipe, torch.device("cpu"), tmp_path / "log", World(0, 3)
    )  # fmt: skip
    with pytest.raises(UserError, match="4 crops cannot be shared by 3 processes"):
        next(steps)

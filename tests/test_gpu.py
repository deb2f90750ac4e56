"""Training on a lent GPU: packs, ten steps on a bare machine, checkpoints in pieces."""

from __future__ import annotations

import csv
import json
import os
import site
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import SMALL, write_data
from torch import Tensor

from napari_nuclei.errors import UserError
from napari_nuclei.formats import coco
from napari_nuclei.learn.examples import load_examples
from napari_nuclei.learn.gpu import loop
from napari_nuclei.learn.gpu.loop import Batch, Trainer, batches, copied, run
from napari_nuclei.learn.gpu.pack import packed_run, read_pack, write_pack
from napari_nuclei.learn.gpu.pieces import join_pieces, write_pieces
from napari_nuclei.learn.loop import State, drawn, new_state, step
from napari_nuclei.learn.parallel import ALONE
from napari_nuclei.learn.recipe import Recipe
from napari_nuclei.masks import Mask
from napari_nuclei.models.batched_losses import losses
from napari_nuclei.nuclei import Crowd, Nuclei

LITE = replace(SMALL, trunk="efficientnet-lite0")
ROOT = Path(__file__).parent.parent
NOT_THERE = set(
    "annotated_types dask distributed imagecodecs magicgui matplotlib napari napari_nuclei npe2 "
    "pandas platformdirs psutil psygnal pycocotools pydantic pydantic_core qtpy roifile tqdm "
    "vispy zarr".split()
)
"""What we depend on, and the bare machine has not."""


def recipe_of(folder: Path, **schedule: object) -> Recipe:
    data = {"coco": "truth.json", "images": ""}
    return Recipe.model_validate(
        {
            "name": "quick",
            "out": folder / "run",
            "diameter": 20,
            "data": {"train": [data], "validation": [data]},
            "augment": {"stain": 0.5, "paste": 0.5, "dim": 0.5},
            "network": LITE.to_dict(),
            "schedule": {"batch": 2, "crop": 64, "warmup_steps": 2, "workers": 0, **schedule},
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Annotated images: gray, coloured, of 16 bits, and one with an area to ignore."""
    path = write_data(tmp_path, 4, 64)
    for name, change in (("2.png", np.stack), ("3.png", None)):
        pixels = np.asarray(Image.open(tmp_path / name))
        new = pixels.astype(np.uint16) * 200
        if change is not None:
            new = change([pixels, 255 - pixels, pixels // 2], 2)
        Image.fromarray(new).save(tmp_path / name)
    data = coco.read(path)
    old = data.nuclei[4]
    area = Mask.from_array(np.ones((20, 30)), 5, 5)
    data.nuclei[4] = Nuclei(old.shape, old, crowds=(Crowd(area),))
    coco.write(path, data)
    return tmp_path


def test_a_pack_holds_what_training_reads_from_the_data(folder: Path) -> None:
    recipe = recipe_of(folder)
    made = packed_run(recipe, folder)
    assert write_pack(folder / "p", made) == (None, None)
    back = read_pack(folder / "p")
    wanted = load_examples(coco.read(folder / "truth.json"), folder, recipe.diameter)
    assert len(back.learned) == len(back.checks) == len(wanted) == 4
    for ours, theirs in zip((a.example() for a in back.learned), wanted, strict=True):
        torch.testing.assert_close(ours.image, theirs.image, atol=0.02, rtol=0)  # of 16 bits
        for name in ("labels", "known", "centres"):
            assert torch.equal(getattr(ours, name), getattr(theirs, name)), name
        assert ours.group == theirs.group
    for k in (0, 1, 3):
        assert torch.equal(back.learned[k].example().image, wanted[k].image)
    assert not back.learned[3].example().known.all()
    assert back.arch == LITE
    assert back.recipe.schedule.batch == 2
    assert back.recipe.augment.paste == 0.5


def test_a_pack_loses_no_more_than_its_size_asks_for(folder: Path) -> None:
    made = packed_run(recipe_of(folder), folder)
    write_pack(folder / "p", made)
    size = (folder / "p").stat().st_size
    gray, colour = write_pack(folder / "p", made, size - 100)
    assert colour is not None
    again = read_pack(folder / "p")
    assert (again.learned[1].labels == made.learned[1].labels).all()
    near = np.abs(again.learned[0].pixels.astype(int) - made.learned[0].pixels).mean()
    assert near == 0 if gray is None else near < 5
    with pytest.raises(UserError, match="0 are allowed: learn from fewer"):
        write_pack(folder / "p", made, 1000)
    (folder / "p").write_bytes((folder / "p").read_bytes()[:-50])
    with pytest.raises(UserError, match="not a pack, or cut short"):
        read_pack(folder / "p")


# -- steps ------------------------------------------------------------------------------


def fresh(recipe: Recipe) -> State:
    return new_state(LITE, recipe.schedule, None, torch.device("cpu"))


def test_batches_are_those_of_plain_training(folder: Path) -> None:
    recipe = recipe_of(folder)
    examples = load_examples(coco.read(folder / "truth.json"), folder, 20)
    images, targets = next(drawn(fresh(recipe), examples, recipe.schedule, recipe, ALONE))
    ours, truth = next(batches(examples, recipe, 0, 0, pinned=False))
    torch.testing.assert_close(ours.float(), images, atol=1e-3, rtol=0)
    for k, target in enumerate(targets):
        count = len(target.boxes)
        assert torch.equal(truth.boxes[k, :count], target.boxes)
        assert torch.equal(truth.labels[k].int(), target.labels)
        assert not truth.ids[k, count:].any()


def test_steps_learn_and_leave_out_what_is_no_number(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(folder, steps=3)
    examples = load_examples(coco.read(folder / "truth.json"), folder, 20)
    trainer = Trainer(fresh(recipe), recipe, torch.device("cpu"))
    model = trainer.state.model
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    batch = next(batches(examples, recipe, 0, 0, pinned=False))

    def broken(*given: Any) -> dict[str, Tensor]:
        return {name: part * torch.nan for name, part in losses(*given).items()}

    with monkeypatch.context() as patch:
        patch.setattr(loop, "losses", broken)
        assert trainer.step(batch, 0.0)[1].isnan().all()
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())
    other = copied(trainer.state)
    names, values = trainer.step(batch, 0.0)
    assert len(names) == len(values) == 5
    assert any(not torch.equal(p, before[n]) for n, p in model.named_parameters())
    assert all(torch.equal(p, before[n]) for n, p in other.model.named_parameters())


def test_without_steps_the_rate_falls_by_the_time_that_is_left(folder: Path) -> None:
    recipe = recipe_of(folder, decay_from=0)
    trainer = Trainer(fresh(recipe), recipe, torch.device("cpu"))
    shares: list[float] = []

    def noted(batch: Batch, done: float) -> tuple[list[str], Tensor]:
        shares.append(done)
        return ["loss"], torch.ones(1)

    trainer.step = noted  # type: ignore[method-assign]
    source = iter(lambda: (torch.zeros(1), None), 0)
    pace = run(trainer, source, time.monotonic() + 0.05, lambda _: None, lambda _: None)  # type: ignore[arg-type]
    assert pace.steps == len(shares) > 1
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-1] < 1
    assert pace.rows[-1]["loss"] == 1


# -- home again -------------------------------------------------------------------------


def test_pieces_are_the_checkpoint_again(folder: Path) -> None:
    recipe = recipe_of(folder)
    examples = load_examples(coco.read(folder / "truth.json"), folder, 20)
    trainer = Trainer(fresh(recipe), recipe, torch.device("cpu"))
    trainer.step(next(batches(examples, recipe, 0, 0, pinned=False)), 0.0)
    state = trainer.state
    paths = write_pieces(state, folder, piece=10_000_000)
    assert len(paths) > 3
    assert max(p.stat().st_size for p in paths) <= 10_000_000
    join_pieces(folder, folder / "run" / "last.ckpt")
    again = fresh(recipe)
    again.load(folder / "run" / "last.ckpt")
    assert again.step == 1
    for mine, theirs in ((state.model, again.model), (state.ema, again.ema)):
        torch.testing.assert_close(mine.state_dict(), theirs.state_dict(), rtol=1e-3, atol=1e-6)
    old, new = (s.optimizer.state_dict()["state"] for s in (state, again))
    torch.testing.assert_close(new, old, rtol=1e-2, atol=1e-9)
    # And it goes on.
    source = drawn(again, examples, recipe.schedule, recipe, ALONE)
    assert step(again, next(source), recipe.schedule, torch.device("cpu"), 0.5)["loss"] > 0
    paths[1].write_bytes(paths[0].read_bytes())
    with pytest.raises(UserError, match="of another checkpoint"):
        join_pieces(folder, folder / "x.ckpt")
    paths[1].unlink()
    with pytest.raises(UserError, match="a piece of the checkpoint is missing"):
        join_pieces(folder, folder / "x.ckpt")


def test_what_is_too_large_comes_home_without_the_optimizers_memory(folder: Path) -> None:
    state = fresh(recipe_of(folder))
    for p in state.model.parameters():
        p.grad = torch.ones_like(p)
    state.optimizer.step()
    write_pieces(state, folder, whole=20_000_000)
    assert join_pieces(folder, folder / "x.ckpt").optimizer.state_dict()["state"] == {}


def bare(folder: Path) -> Path:
    """Make a Python that has what the machine has, and nothing else of ours."""
    place = folder / "site"
    place.mkdir()
    for packages in map(Path, site.getsitepackages()):
        for entry in packages.iterdir():
            name = entry.name.partition(".")[0].partition("-")[0]
            if entry.suffix not in (".pth", ".dist-info") and name not in NOT_THERE:
                (place / entry.name).symlink_to(entry)
    python = folder / "python"
    start = f'PYTHONPATH="$PYTHONPATH:{place}" exec "{sys.executable}" -S "$@"'
    python.write_text(f"#!/bin/sh\n{start}\n")
    python.chmod(0o755)
    return python


@pytest.mark.slow
def test_ten_steps_on_a_bare_machine(folder: Path) -> None:
    recipe = recipe_of(folder)
    write_pack(folder / "gpu.pack", packed_run(recipe, folder))
    python, home = bare(folder), folder / "home"
    lacks = subprocess.run([python, "-c", "import pydantic"], capture_output=True, check=False)
    assert b"No module named 'pydantic'" in lacks.stderr
    words = "--steps 10 --workers 1 --side 128 --tail 0.02 --device cpu".split()
    done = subprocess.run(
        [ROOT / "training" / "gpu.sh", "gpu.pack", home, "1", *words],
        capture_output=True, cwd=folder, env={**os.environ, "PYTHON": str(python)}, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "step 10: loss" in done.stdout
    figures = json.loads((home / "figures.json").read_text())
    assert figures["step"] == 10
    assert figures["steps_per_second"] > 0
    assert figures["checks"]["images"] > 0
    assert figures["prediction"]["cpu"]["fields_per_second"] > 0
    assert "failed" not in figures
    with (home / "losses.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["10"]
    assert len(list(home.iterdir())) <= 8
    assert join_pieces(home, folder / "last.ckpt").step == 10

"""The experiments: what is predicted, kept, made again; and the script and the recipes."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from discs import CARD, Discs, disc, make_source, run_all

from napari_nuclei.errors import UserError
from napari_nuclei.formats import results
from napari_nuclei.learn import report
from napari_nuclei.learn.answers import Model, Source, kept_at, predictions
from napari_nuclei.learn.disturb import PLAIN
from napari_nuclei.learn.experiments import model
from napari_nuclei.learn.figures import ALL
from napari_nuclei.learn.recipe import read_recipe
from napari_nuclei.progress import result_of
from napari_nuclei.resources import resource_folder


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return make_source(tmp_path)


def test_experiments_judge_every_change(source: Source, tmp_path: Path) -> None:
    runs, _ = run_all(source, tmp_path / "out", [PLAIN, "half", "double", "invert"])
    figures = {run.change: run.judgement.figures for run in runs}
    for change in (PLAIN, "half", "double"):
        row = figures[change][ALL]
        assert row["f1_50"] == 1, change
        assert row["diameter_ratio"] == pytest.approx(1, abs=0.1), change
        assert row["seconds"] > 0
    assert figures["invert"][ALL]["f1_50"] < 0.2
    assert set(figures[PLAIN]) == {ALL, "gray", "colour"}
    assert figures[PLAIN]["gray"]["images"] == 1
    masks = [mask for mask, _ in runs[1].answer.found.found[1]]
    assert runs[1].answer.found.shapes[1] == (150, 150)
    assert sorted(m.area for m in masks)[0] > 0.8 * disc(25, 25).area


def test_a_second_run_goes_on_where_the_first_one_stopped(source: Source, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, detector = run_all(source, out, [PLAIN])
    assert detector.looked
    second, detector = run_all(source, out, [PLAIN, "blur"])
    alone = detector.looked
    assert second[0].judgement.figures == first[0].judgement.figures
    third, detector = run_all(source, out, [PLAIN, "blur"], again=True)
    assert 0 < alone < detector.looked
    assert not third[0].outdated
    kept = results.read(kept_at(CARD, source, PLAIN, out))
    assert sum(map(len, kept.found.values())) == 18


def test_half_an_answer_is_made_again(source: Source, tmp_path: Path) -> None:
    run_all(source, tmp_path, [PLAIN])
    kept_at(CARD, source, PLAIN, tmp_path).unlink()
    _, detector = run_all(source, tmp_path, [PLAIN])
    assert detector.looked


def test_answers_of_other_code_are_told(source: Source, tmp_path: Path) -> None:
    run_all(source, tmp_path, [PLAIN])
    path = kept_at(CARD, source, PLAIN, tmp_path).with_suffix(".about.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "code": "older"}))
    assert run_all(source, tmp_path, [PLAIN])[0][0].outdated
    path.write_text("{}")
    with pytest.raises(UserError, match="damaged"):
        run_all(source, tmp_path, [PLAIN])


def test_whatever_bears_on_an_answer_names_its_file(source: Source, tmp_path: Path) -> None:
    cards = [
        CARD,
        *(
            CARD.model_copy(update=u)
            for u in (
                {"sha256": "1" * 64},
                {"calibration": {"slope": 2.0, "offset": 0.0}},
                {"diameter": 30.0},
            )
        ),
    ]
    paths = {kept_at(card, source, PLAIN, tmp_path) for card in cards}
    assert len(paths) == 4
    source.coco.write_text(source.coco.read_text() + " ")
    changed = Source(source.label, source.coco, source.images)
    assert kept_at(CARD, changed, PLAIN, tmp_path) not in paths


def test_what_is_missing_is_said(source: Source, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no change 'fog'"):
        run_all(source, tmp_path, ["fog"])
    with pytest.raises(UserError, match="no such folder of images"):
        run_all(replace(source, images=tmp_path / "nowhere"), tmp_path, [PLAIN])
    (source.images / "gray.png").unlink()
    with pytest.raises(UserError, match=r"gray\.png"):
        result_of(predictions(Model(CARD, Discs), source, PLAIN, tmp_path))
    with pytest.raises(UserError, match="no model named"):
        model("nobody")


# -- the script --------------------------------------------------------------------------


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, resource_folder("training") / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A network that has learned nothing."""
    import torch

    from napari_nuclei.models.maskrcnn import Architecture, MaskRCNN
    from napari_nuclei.models.weights import save_model

    torch.manual_seed(0)
    network = MaskRCNN(Architecture(channels=16, box_hidden=16, mask_channels=8, mask_layers=1))
    return save_model(network, CARD, tmp_path / "model").weights


def test_the_script_writes_everything(source: Source, tmp_path: Path, weights: Path) -> None:
    readme, out = tmp_path / "README.md", tmp_path / "out"
    readme.write_text(f"{report.BEGIN}\n{report.END}\n")
    arguments = [str(weights), "--data", str(tmp_path), "--set", "a", "truth.json", "images"]
    arguments += ["--changes", "none", "--out", str(out), "--readme", str(readme)]
    arguments += ["--worst", "1", "--pictures", str(tmp_path / "pictures")]
    assert script("experiments").main(arguments) == 0
    assert {p.name for p in out.iterdir()} >= {"experiments.csv", "experiments.json", "missed.png"}
    assert "| discs | a | all | 2 |" in readme.read_text()
    assert "![missed](plots/missed.png)" in readme.read_text()
    assert (tmp_path / "plots" / "missed.png").is_file()
    assert len(list((tmp_path / "pictures").iterdir())) == 1


def test_the_script_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = script("experiments").main
    out = ["--out", str(tmp_path / "out")]
    for arguments, message in (
        (["nobody"], "no model named 'nobody'"),
        (["--worst", "2"], "--pictures"),
    ):
        assert run([*arguments, *out]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


# -- recipes -----------------------------------------------------------------------------


def test_recipes_can_be_read_and_say_their_licence() -> None:
    licences = {}
    for path in resource_folder("training").glob("*.toml"):
        recipe = read_recipe(path)
        licences[recipe.name] = recipe.card.licence
        saw_vrdl = any("vrdl" in str(s.coco) for s in recipe.data.train)
        assert saw_vrdl == ("CC BY-NC-SA 4.0" in recipe.card.licence)
    assert licences["nuclei"] == "BSD-3-Clause"
    assert "nuclei-histology" in licences


def test_the_readme_has_room_for_the_tables(tmp_path: Path) -> None:
    text = (resource_folder("training") / "README.md").read_text(encoding="utf-8")
    copy = tmp_path / "README.md"
    copy.write_text(text, encoding="utf-8")
    report.splice(copy, "here")
    head, _, tail = copy.read_text(encoding="utf-8").partition("\n\nhere\n\n")
    assert text.startswith(head)
    assert text.endswith(tail)

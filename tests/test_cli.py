"""The command line: exit codes, one line for each mistake, and the program itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from shell import MODEL, QUICK, Run, refused
from tiny import write_data

from napari_nuclei.commands import COMMANDS
from napari_nuclei.formats import coco
from napari_nuclei.models import registry

# -- the commands as such ---------------------------------------------------------------


def test_help_lists_what_there_is(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    assert "{" not in out
    for command in COMMANDS:
        assert f"    {command}" in out
        assert run(command, "--help")[0] == 0
    refused(run("frobnicate"), "invalid choice")
    _, out, _ = run("segment", "--help")
    assert "--image-ids" in out
    assert "--scheduler" in out
    assert "cellpose" not in out, "it is read, not written"


def test_no_command_shows_the_help(run: Run) -> None:
    code, out, _ = run()
    assert code == 2
    assert "segment" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("segment", "x.png"), "--out"),
        (("segment", "--out", "x"), "PATH"),
        (("segment", "x.png", "--out", "o", "--format", "svg"), "svg"),
        (("segment", "x.png", "--out", "o", "--score", "2"), "2 is not between 0 and 1"),
        (("segment", "x.png", "--out", "o", "--score", "nan"), "is not between"),
        (("segment", "x.png", "--out", "o", "--score", "high"), "'high' is not a number"),
        (("segment", "x.png", "--out", "o", "--diameter", "-3"), "-3 is not a positive number"),
        (("segment", "x.png", "--out", "o", "--diameter", "big"), "'big' is not a number"),
        (("segment", "x.png", "--out", "o", "--channels", "0,x"), "'x' is not a whole number"),
        (("segment", "x.png", "--out", "o", "--plane", "1.5"), "'1.5' is not a whole number"),
        (("evaluate", "a", "b", "--max-detections", "0"), "not a positive number"),
        (("evaluate", "a"), "PREDICTIONS.json"),
        (("train", "r.toml", "--minutes", "0"), "not a positive number"),
        (("models", "drop"), "invalid choice"),
    ],
)
def test_bad_use_is_one_line(run: Run, arguments: tuple[str, ...], words: str) -> None:
    refused(run(*arguments), words, "--help")


def spawn(*arguments: object, models: Path, folder: Path, **more: str) -> Any:
    """Run the command line as a program of its own."""
    environment = {
        **os.environ, "NAPARI_NUCLEI_MODELS": str(models), "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(registry.__file__).parents[2]), **more,
    }  # fmt: skip
    command = [sys.executable, "-m", "napari_nuclei", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, cwd=folder, env=environment, check=False, timeout=600
    )


def test_the_program_itself(models_folder: Path, images: Path, tmp_path: Path) -> None:
    answer = spawn(
        "segment", images / "a.png", "--out", "o.json", *MODEL, *QUICK, "--json",
        models=models_folder, folder=tmp_path,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["images"] == 1
    assert len(coco.read(tmp_path / "o.json").images) == 1
    assert b"Warning" not in answer.stderr

    answer = spawn("segment", "é.png", "--out", "o.json", models=models_folder, folder=tmp_path)
    assert answer.returncode == 2
    assert answer.stdout == b""
    assert answer.stderr.decode("utf-8", "replace").count("\n") == 1
    assert b"no such file" in answer.stderr


def test_a_terminal_that_knows_few_letters(tmp_path: Path, models_folder: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(models_folder, models)
    card = json.loads((models / "tiny.json").read_text(encoding="utf-8"))
    (models / "tiny.json").write_text(json.dumps({**card, "description": "für Kerne → µm"}))
    plain = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    answer = spawn("models", "list", models=models, folder=tmp_path, **plain)
    assert answer.returncode == 0, answer.stderr
    assert b"tiny" in answer.stdout
    answer = spawn("models", "show", "tiny", "--json", models=models, folder=tmp_path, **plain)
    assert json.loads(answer.stdout)["description"] == "für Kerne → µm"


@pytest.mark.skipif(os.name == "nt", reason="pipes differ there")
def test_a_reader_that_goes_away(tmp_path: Path, models_folder: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    answer = subprocess.run(
        [sys.executable, "-m", "napari_nuclei", "models", "list"],
        stdout=write,
        stderr=subprocess.PIPE,
        env={
            **os.environ, "NAPARI_NUCLEI_MODELS": str(models_folder),
            "PYTHONPATH": str(Path(registry.__file__).parents[2]),
        },
        check=False,
    )  # fmt: skip
    os.close(write)
    assert answer.returncode == 1
    assert answer.stderr == b""


# -- evaluate ---------------------------------------------------------------------------


def test_evaluate_prints_the_figures(run: Run, tmp_path: Path) -> None:
    truth = write_data(tmp_path)
    code, out, err = run("evaluate", truth, truth, "--json", "--max-detections", "10", "500")
    assert (code, err) == (0, "")
    figures = json.loads(out)
    wanted = ("ap50", "ap75", "ap", "ap50_max100", "precision50", "recall50", "f1_50", "f1_75",
              "pq", "jaccard50", "dsb_map", "f1_50_mean", "aji", "aji_plus")  # fmt: skip
    assert {figures[name] for name in wanted} == {1.0}
    assert {figures["by_modality"]["fluorescence"][name] for name in wanted} == {1.0}
    assert figures["ap50_max10"] == 1
    code, out, _ = run("evaluate", truth, truth)
    assert code == 0
    assert out.splitlines()[0].split() == ["all", "fluorescence"]
    assert any(line.split() == ["f1_50", "1.0000", "1.0000"] for line in out.splitlines())


def test_evaluate_writes_a_table_of_each_image(run: Run, tmp_path: Path) -> None:
    truth = write_data(tmp_path)
    code, out, _ = run("evaluate", truth, truth, "--json", "--per-image", "i.csv")
    assert (code, json.loads(out)["aji"]) == (0, 1)
    head, *rows = Path("i.csv").read_text().splitlines()
    assert head.startswith("image_id,file_name,modality,truth,predicted,")
    assert len(rows) == json.loads(out)["images"]
    refused(run("evaluate", "none.json", truth, "--per-image", "no/i.csv"), "no does not exist")
    before = truth.read_bytes()
    refused(run("evaluate", truth, truth, "--per-image", truth), "name a .csv file")
    assert truth.read_bytes() == before


def test_an_empty_answer_is_scored(run: Run, tmp_path: Path) -> None:
    truth = write_data(tmp_path)
    Path("r.json").write_text("[]")
    code, out, _ = run("evaluate", truth, "r.json", "--json")
    assert code == 0
    assert json.loads(out)["f1_50"] == 0
    Path("none.json").write_text('{"images": [], "annotations": [], "categories": []}')
    code, out, _ = run("evaluate", "none.json", "r.json", "--json")
    assert code == 0
    assert "NaN" not in out


@pytest.mark.parametrize(
    ("truth", "predictions", "words"),
    [
        ("none.json", "[]", "none.json: there is no such file"),
        ("{", "[]", "truth.json is not a JSON file"),
        ("[]", "[]", "truth.json"),
        (None, "{", "r.json is not a JSON file"),
        (None, "{}", "r.json"),
        (None, '[{"image_id": 1}]', "r.json: its only entry cannot be used: number 1"),
        (None, '[{"image_id": 1, "score": 1, "segmentation": {"size": [96, 96], '
               '"counts": "0000"}}]', "r.json: its only entry cannot be used: number 1"),
        (None, '[{"image_id": 1, "score": 1, "segmentation": {"size": [9, 9], '
               '"counts": [81]}}]', "96×96"),
        (None, '[{"image_id": 77, "score": 1, "segmentation": {"size": [9, 9], '
               '"counts": [81]}}]', "image id 77"),
    ],
)  # fmt: skip
def test_what_cannot_be_scored(
    run: Run, tmp_path: Path, truth: str | None, predictions: str, words: str
) -> None:
    file = write_data(tmp_path, 1)
    if truth == "none.json":
        file = Path("none.json")
    elif truth is not None:
        file.write_text(truth)
    Path("r.json").write_text(predictions)
    refused(run("evaluate", file, "r.json"), words)


# -- models, train, demo ----------------------------------------------------------------


def test_models_are_listed_and_shown(run: Run, models_folder: Path) -> None:
    code, out, _ = run("models")
    assert code == 0
    assert "tiny" in out
    assert "CC0-1.0" in out
    code, out, _ = run("models", "list", "--json")
    assert code == 0
    assert "tiny" in [card["name"] for card in json.loads(out)]
    code, out, _ = run("models", "show", "tiny")
    assert code == 0
    assert "licence      CC0-1.0" in out
    code, out, _ = run("models", "show", str(models_folder / "tiny.json"), "--json")
    assert json.loads(out)["architecture"]["trunk"] == "resnet18"
    refused(run("models", "show", "best"), "no model named 'best'")
    refused(run("models", "list", "tiny"), "models list takes no name")


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        (None, (), "r.toml: no such recipe"),
        ("name = ", (), "r.toml: not a TOML file"),
        ("name = 'x'\nout = 'o'\nspeed = 3", (), "r.toml: speed:"),
        ("name = 'x'\nout = 'o'", (), "names no training data"),
        ("name = 'x'\nout = 'o'", ("--device", "tpu"), "no device 'tpu'"),
        ("name = 'x'\nout = 'o'\n[[data.train]]\ncoco = 'a.json'\nimages = 'none'",
         (), "none: no such folder of images. Name the data folder with --data."),
        ("name = 'x'\nout = 'o'\n[[data.train]]\ncoco = 'a.json'\nimages = '.'",
         ("--data", "."), "a.json: there is no such file"),
        ("name = 'x'\nout = 'o'\n[network]\nstart = 'best'\n[[data.train]]\n"
         "coco = 'truth.json'\nimages = '.'", (), "no model named 'best'"),
        ("name = 'x'\nout = 'o'\n[[data.train]]\ncoco = 'truth.json'\nimages = '.'",
         ("--resume",), "nothing to resume"),
        ("name = 'x'\nout = 'o'\n[[data.train]]\ncoco = 'truth.json'\nimages = '.'",
         ("--out", "r.toml"), "r.toml is a file: name a folder"),
    ],
)  # fmt: skip
def test_training_that_cannot_begin(
    run: Run, tmp_path: Path, text: str | None, arguments: tuple[str, ...], words: str
) -> None:
    write_data(tmp_path, 1, 64)
    if text is not None:
        Path("r.toml").write_text(text)
    answer = run("train", "r.toml", *arguments)
    refused(answer, words)


def test_no_window_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_nuclei.commands import terminal

    monkeypatch.setattr(terminal.platform, "system", lambda: "Linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert terminal.no_window() == "there is no screen here"
    monkeypatch.setattr(terminal, "find_spec", lambda name: None)
    assert "no screen here, and Qt" in terminal.no_window()
    monkeypatch.setenv("DISPLAY", ":99")
    said = terminal.no_window()
    assert said.startswith("Qt, which napari needs for its window, is missing")
    assert "pip install" in said
    assert not terminal.has_screen()
    monkeypatch.setattr(terminal.platform, "system", lambda: "Darwin")
    assert terminal.no_window().startswith("Qt, which napari needs for its window, is missing")


def test_what_is_not_there_is_said_before_torch_is_loaded(tmp_path: Path) -> None:
    write_data(tmp_path, 1, 64)
    (tmp_path / "r.toml").write_text('name = "x"\nout = "out"\n[[data.train]]\n'
                                     'coco = "truth.json"\nimages = "no"\n')  # fmt: skip
    lines = [
        ["train", "no.toml"], ["train", "r.toml"], ["segment", "1.png", "--out", "o.json",
        "--model", "no"], ["segment", "1.png", "--out", "o.json", "--device", "gpu"],
        ["retrain", "no.json", "--images", "."], ["retrain", "truth.json", "--images", "no"],
        ["retrain", "truth.json", "--images", ".", "--model", "no"],
    ]  # fmt: skip
    code = (
        "import sys, json\nfrom napari_nuclei.cli import main\n"
        "for line in json.loads(sys.argv[1]):\n"
        "    try: assert main(line) == 2, line\n"
        "    except SystemExit as end: assert end.code == 2, line\n"
        "    assert 'torch' not in sys.modules, line\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(lines)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(registry.__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") == len(lines)


def test_demo_without_a_screen(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (registry.SHIPPED / f"{registry.DEFAULT}.json").is_file():
        pytest.skip("no weights are shipped yet")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    code, _, err = run("demo")
    assert code == 0, err
    assert "napari was not opened" in err
    rows = json.loads((tmp_path / "answer.json").read_text())
    assert len(rows) > 60
    assert len(list(tmp_path.glob("*.overlay.png"))) == 1

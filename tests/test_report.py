"""Tables, files and pictures of experiments."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from discs import CARD, CENTRES, RADIUS, disc, make_source, run_all
from PIL import Image

from napari_nuclei.errors import UserError
from napari_nuclei.formats.results import Results
from napari_nuclei.learn import plots, report
from napari_nuclei.learn.answers import Source
from napari_nuclei.learn.disturb import PLAIN
from napari_nuclei.learn.experiments import Run
from napari_nuclei.learn.figures import ALL, Answer, judge
from napari_nuclei.masks import Mask


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return make_source(tmp_path)


@pytest.fixture
def runs(source: Source, tmp_path: Path) -> list[Run]:
    return run_all(source, tmp_path / "out", [PLAIN, "half"])[0]


def test_tables_and_files_say_the_same(runs: list[Run], tmp_path: Path) -> None:
    text = report.markdown(runs)
    blocks = re.findall(r"(?:^[|].*\n)+", text, re.M)
    assert len(blocks) == 5
    for block in blocks:
        widths = {line.replace("\\|", "").count("|") for line in block.splitlines()}
        assert len(widths) == 1, block
    assert "1.500 | abacus" in blocks[0]
    assert "| discs | two \\| discs | gray | 1 | 1.000 | 1.000 |" in text
    assert "half its size" in text
    assert "100 most confident" not in text
    report.write_csv(tmp_path / "a.csv", runs)
    report.write_figures(tmp_path / "a.json", runs)
    with (tmp_path / "a.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    rows = json.loads((tmp_path / "a.json").read_text())
    assert [r["kind"] for r in rows] == [ALL, "colour", "gray"] * 2
    assert [float(r["f1_50"]) for r in table] == [r["f1_50"] for r in rows]
    assert {r["change"] for r in rows} == {PLAIN, "half"}


def test_splice_changes_only_what_lies_between_the_marks(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.splice(path, "new")
    report.splice(path, "newer\n")
    assert path.read_text() == f"before\n{report.BEGIN}\n\nnewer\n\n{report.END}\nafter\n"
    path.write_text(f"{report.END}{report.BEGIN}")
    with pytest.raises(UserError, match="needs the lines"):
        report.splice(path, "new")
    with pytest.raises(UserError, match="nowhere"):
        report.splice(tmp_path / "nowhere.md", "new")


def test_plots_are_pictures(runs: list[Run], tmp_path: Path) -> None:
    written = plots.draw_plots(tmp_path, runs)
    assert len(written) == 3
    for path in written:
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert len(image.getcolors(1 << 20) or []) > 10
    assert plots.draw_plots(tmp_path, [r for r in runs if r.change == "half"]) == []


def test_pictures_show_found_wrong_and_missed(source: Source, tmp_path: Path) -> None:
    first, second = (disc(*CENTRES[k]) for k in (0, 1))
    answer = Answer(Results({1: [(first, 0.9), (first.shift(25, 0), 0.8)]}, {1: (150, 150)}))
    judged = judge(source.truth, answer, 0.5, source.ceilings)
    run = Run(CARD, source, PLAIN, answer, judged)
    picture = plots.picture(run, judged.seen[0])
    times = picture.shape[0] // 150

    def at(mask: Mask) -> tuple[int, ...]:
        return tuple(picture[mask.y * times + 1, (mask.x + RADIUS) * times].tolist())

    assert at(first) == plots.FOUND
    assert at(first.shift(25, 0)) == plots.WRONG
    assert at(second) == plots.MISSED
    (tmp_path / "worst").mkdir()
    names = [p.name for p in plots.write_worst(tmp_path / "worst", [run], 1)]
    assert names == ["discs-two___discs-none-01-f1_0.00-colour.png"]

"""The docs: examples run, commands exist, links lead somewhere. `make docs` builds them."""

from __future__ import annotations

import ast
import doctest
import re
import shlex
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_nuclei
from napari_nuclei.cli import parser
from napari_nuclei.formats.registry import FORMATS
from napari_nuclei.resources import resource_folder

ROOT = Path(napari_nuclei.__file__).parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))
TEXTS = [*PAGES, *sorted(ROOT.glob("*.md")), ROOT / "training" / "README.md"]

if not PAGES:
    pytest.skip("only in a checkout", allow_module_level=True)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [p for p in PAGES if ">>>" in p.read_text("utf-8")], ids=name_of)
def test_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in resource_folder("sample_data").iterdir():
        if path.suffix in (".png", ".json"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    done = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert done.attempted
    assert not done.failed


def literals() -> dict[str, list[str]]:
    """Return the texts in each file of the package."""
    return {
        name_of(path): [
            node.value
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        for path in (ROOT / "napari_nuclei").rglob("*.py")
    }


@pytest.mark.parametrize("page", ["README.md", "docs/pages/start.md", "docs/pages/tutorial.md"])
def test_what_is_to_be_pressed_exists(page: str) -> None:
    plugin = PluginManifest.from_file(ROOT / "napari.yaml")
    title = plugin.display_name
    (widget, *_) = plugin.contributions.widgets or ()
    known = {text for texts in literals().values() for text in texts}
    known |= {f"Plugins ▸ {title} ▸ {widget.display_name} ({title})"}  # as napari calls it
    known |= {f"File ▸ Open Sample ▸ {title}", "Adopt"}
    text = (ROOT / page).read_text("utf-8")
    named = {" ".join(n.split()) for n in re.findall(r"(?<![*\w])\*([^*]+)\*(?!\*)", text)}
    assert "Segment" in " ".join(named)
    assert {n for n in named if n.removeprefix("More ▸ ") not in known} == set()


def test_the_widget_is_where_messages_say() -> None:
    for name, texts in literals().items():
        for text in texts:
            if "Plugins ▸" in text:
                assert "Plugins ▸ Nuclei ▸ Nuclei" in text, name


def commands() -> list[str]:
    """Every command in the texts, its lines joined."""
    out = []
    for page in TEXTS:
        text = page.read_text("utf-8").replace("\\\n", " ")
        out += re.findall(r"^napari-nuclei (?!\[)\w.*$", text, re.MULTILINE)
    return out


def test_there_are_commands() -> None:
    assert len(commands()) > 15


@pytest.mark.parametrize("line", commands())
def test_commands_are_understood(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    assert parser().parse_args(words).command == words[0]


@pytest.mark.parametrize("page", TEXTS, ids=name_of)
def test_links_lead_to_files(page: Path) -> None:
    generated = {"images", "reference", "models.md"}
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        path, _, _ = target.partition("#")
        if re.match(r"[a-z]+:", target) or not path:
            continue
        # Pages that mkdocs adds are checked by its strict build.
        if "pages" in page.parts and generated & set(Path(path).parts):
            continue
        assert (page.parent / path).exists(), target


def test_each_format_is_told_how_to_use() -> None:
    page = (ROOT / "docs" / "pages" / "howto" / "other-tools.md").read_text("utf-8")
    for name in FORMATS:
        assert name in page.lower()

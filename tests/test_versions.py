"""Versions of models: using, going back, removing; what is broken never comes to be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shell import Run, refused
from tiny import CARD, network, write_model

from napari_nuclei import atomic_files as files
from napari_nuclei.errors import UserError
from napari_nuclei.models import registry, versions
from napari_nuclei.models.weights import save_model


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of models, with two of them."""
    models = tmp_path / "models"
    monkeypatch.setenv("NAPARI_NUCLEI_MODELS", str(models))
    for seed, name in enumerate(("first", "second")):
        write_model(models, name, seed)
    return models


@pytest.fixture
def models_folder(folder: Path) -> Path:
    return folder


def now() -> str:
    return registry.current().name


def test_one_is_used_and_taken_back(folder: Path) -> None:
    assert now() == registry.DEFAULT
    versions.use("first")
    versions.use("second")
    versions.use("second")
    assert now() == "second"
    assert registry.in_use() == ["first", "second"]
    assert versions.rollback().name == now() == "first"
    assert versions.rollback().name == now() == registry.DEFAULT
    with pytest.raises(UserError, match="the first model that was in use"):
        versions.rollback()
    assert now() == registry.DEFAULT


def damage(what: str) -> Callable[[Path], Any]:
    def cut(path: Path) -> None:
        with (path / "second.safetensors").open("r+b") as file:
            file.truncate(1000)

    def swap(path: Path) -> None:
        (path / "second.safetensors").write_bytes((path / "first.safetensors").read_bytes())

    def strip(path: Path) -> None:
        card = json.loads((path / "second.json").read_text())
        (path / "second.json").write_text(json.dumps({**card, "sha256": ""}))

    return {
        "cut": cut,
        "swap": swap,
        "strip": strip,
        "no weights": lambda path: (path / "second.safetensors").unlink(),
        "no card": lambda path: (path / "second.json").unlink(),
        "half a card": lambda path: (path / "second.json").write_text('{"name": "sec'),
    }[what]


KINDS = ("cut", "swap", "strip", "no weights", "no card", "half a card")


@pytest.mark.parametrize("what", KINDS)
def test_a_broken_model_is_never_put_to_use(folder: Path, what: str) -> None:
    versions.use("first")
    damage(what)(folder)
    with pytest.raises(UserError) as error:
        versions.use("second")
    assert "\n" not in str(error.value)
    assert now() == "first"


@pytest.mark.parametrize("what", KINDS)
def test_going_back_passes_over_what_is_broken(folder: Path, what: str) -> None:
    write_model(folder, "third", 3)
    for name in ("first", "second", "third"):
        versions.use(name)
    damage(what)(folder)
    assert versions.rollback().name == now() == "first"


@pytest.mark.parametrize("what", ["no weights", "no card", "half a card"])
def test_a_model_in_use_whose_files_go_leaves_the_one_before(folder: Path, what: str) -> None:
    versions.use("first")
    versions.use("second")
    damage(what)(folder)
    assert now() == "first"


@pytest.mark.parametrize("text", [b"", b"\xff\xfe\0", b"nowhere\n\n  \n", b"../../etc/passwd\n"])
def test_a_damaged_list_leaves_the_default(folder: Path, text: bytes) -> None:
    (folder / registry.IN_USE).write_bytes(text)
    assert now() == registry.DEFAULT
    versions.use("second")
    assert now() == "second"


def test_a_list_that_cannot_be_written_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions.use("first")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        with pytest.raises(UserError, match="the disk is full"):
            versions.use("second")
        with pytest.raises(UserError, match="the disk is full"):
            save_model(network(9), CARD.model_copy(update={"name": "third"}), folder)
    assert now() == "first"
    assert {card.name for card in registry.cards()} >= {"first", "second"}
    assert not list(folder.glob("third*"))
    assert not list(folder.glob(".*.part"))


@given(st.lists(st.sampled_from(["first", "second", registry.DEFAULT, "back"]), max_size=12))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None
)
def test_going_back_undoes_what_was_used(folder: Path, orders: list[str]) -> None:
    (folder / registry.IN_USE).unlink(missing_ok=True)
    used = [registry.DEFAULT]
    for order in orders:
        if order != "back":
            versions.use(order)
            used += [order] * (order != used[-1])
        elif len(used) > 1:
            versions.rollback()
            used.pop()
        assert now() == used[-1]


def test_removing(folder: Path) -> None:
    versions.use("first")
    versions.use("second")
    report = versions.report_of("first")
    report.parent.mkdir()
    report.write_text("{}")
    gone = versions.remove("first")
    assert {path.name for path in gone} == {"first.json", "first.safetensors"}
    assert not any(path.exists() for path in gone)
    assert "first" not in registry.in_use()
    with pytest.raises(UserError, match="'second' is in use: go back first"):
        versions.remove("second")
    with pytest.raises(UserError, match="is not one of your own models"):
        versions.remove(registry.DEFAULT)
    with pytest.raises(UserError, match="no model named 'first'"):
        versions.remove("first")


def test_names(folder: Path) -> None:
    assert versions.free_name("nuclei") == "nuclei-2"
    write_model(folder, "nuclei-2")
    assert versions.free_name("nuclei") == versions.free_name("nuclei-2") == "nuclei-3"
    versions.check_name("Émile's".replace("'", "-"))
    for name in ("first", "FIRST", registry.DEFAULT, "a/b", "..", "", ".x", "a b", "nul", "x."):
        with pytest.raises(UserError):
            versions.check_name(name)


def test_lineage(folder: Path) -> None:
    for name, base in (("a", registry.DEFAULT), ("b", "a"), ("c", "b"), ("d", "gone")):
        save_model(network(), CARD.model_copy(update={"name": name, "base": base}), folder)
    assert versions.lineage(registry.find("c")) == ["b", "a", registry.DEFAULT]
    assert versions.lineage(registry.find("d")) == ["gone"]
    assert versions.lineage(registry.find("first")) == []


# -- from the shell ---------------------------------------------------------------------


def test_the_commands(run: Run, folder: Path) -> None:
    code, _, err = run("models", "use", "second")
    assert code == 0
    assert "In use now: second (CC0-1.0)" in err
    _, out, _ = run("models", "list")
    assert any(line.startswith("* second ") for line in out.splitlines())
    assert sum(line.startswith("*") for line in out.splitlines()) == 1
    code, out, _ = run("models", "rollback", "--json")
    assert code == 0
    assert json.loads(out)["name"] == registry.DEFAULT
    code, _, err = run("models", "remove", "second")
    assert code == 0
    assert "second.safetensors" in err
    assert not (folder / "second.json").exists()
    code, out, _ = run("models", "show", "first", "--json")
    shown = json.loads(out)
    assert shown["lineage"] == []
    assert len(shown["sha256"]) == 64


def test_what_the_commands_refuse(run: Run) -> None:
    refused(run("models", "use"), "models use needs the name of a model")
    refused(run("models", "use", "x"), "no model named 'x'")
    refused(run("models", "remove", registry.DEFAULT), "not one of your own models")
    refused(run("models", "rollback"), "none to go back to")
    refused(run("models", "rollback", "first"), "takes no name")

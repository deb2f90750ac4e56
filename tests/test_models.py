"""Models on disk and in memory: cards, registry, weights files, devices, the detector."""

from __future__ import annotations

import copy
import json
import os
import pickle
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import CARD, SMALL, network, write_model

from napari_nuclei import models
from napari_nuclei.errors import UserError
from napari_nuclei.models import registry
from napari_nuclei.models.card import read_card
from napari_nuclei.models.maskrcnn import Architecture, MaskRCNN
from napari_nuclei.models.maskrcnn_detector import MaskRCNNDetector, _fold
from napari_nuclei.models.runtime import pick_device
from napari_nuclei.models.weights import build, load_network, read_state, save_model, weights_of

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's model folder, with one model in it."""
    monkeypatch.setenv("NAPARI_NUCLEI_MODELS", str(tmp_path))
    write_model(tmp_path)
    return tmp_path


def change_card(path: Path, **changes: Any) -> None:
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**values, **changes}), encoding="utf-8")


# -- cards and the registry -------------------------------------------------------------


def test_the_users_folder_is_searched(folder: Path) -> None:
    assert [card.name for card in registry.cards()][-1] == "tiny"
    assert registry.find("tiny").weights == folder / "tiny.safetensors"
    assert registry.find(str(folder / "tiny.safetensors")) == registry.find("tiny")
    assert registry.find(str(folder / "tiny.json")) == registry.find("tiny")


def test_without_the_variable_the_users_data_folder_is_searched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NAPARI_NUCLEI_MODELS", raising=False)
    assert registry.user_folder().name == "models"
    assert "napari-nuclei" in registry.user_folder().parts


def test_shipped_models_are_whole() -> None:
    paths = sorted(registry.SHIPPED.glob("*.json"))
    if not paths:
        pytest.skip("no weights are shipped yet")
    for path in paths:
        card = read_card(path)
        assert card.name == path.stem
        assert card.licence != "unknown"
        assert card.sha256
        assert card.scores
        assert card.weights.stat().st_size < 35e6
        build(card, weights_of(card))


def test_a_broken_card_does_not_hide_the_others(folder: Path) -> None:
    (folder / "a.json").write_text("{", encoding="utf-8")
    (folder / "b.json").mkdir()
    assert "tiny" in [card.name for card in registry.cards()]


def test_a_model_whose_card_was_renamed_is_found_by_its_name(folder: Path) -> None:
    for suffix in (".json", ".safetensors"):
        (folder / f"tiny{suffix}").rename(folder / f"other{suffix}")
    assert registry.find("tiny").weights == folder / "other.safetensors"


def test_an_unknown_name_is_answered_with_the_known_ones(folder: Path) -> None:
    with pytest.raises(UserError, match=r"no model named 'x'\. Choose one of: .*tiny"):
        registry.find("x")
    with pytest.raises(UserError, match="no such model file"):
        registry.find(str(folder / "x.safetensors"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not a model card"),
        ("[1]", "not a model card"),
        ("\xff", "not a model card"),
        ('{"name": "x"}', "not a model card: architecture"),
        ('{"name": "x", "architecture": {}, "diameter": 0}', "not a model card: diameter"),
        ('{"name": "x", "architecture": {}, "diameter": Infinity}', "not a model card: diameter"),
    ],
)
def test_broken_cards(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=words) as error:
        read_card(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


# -- files ------------------------------------------------------------------------------


def test_a_saved_model_finds_the_same(folder: Path) -> None:
    tile = np.random.default_rng(0).random((96, 80, 3), np.float32)
    kept = MaskRCNNDetector(network(), CARD, CPU).detect(tile)
    loaded = models.load("tiny", "cpu").detect(tile)
    assert len(kept) > 10
    np.testing.assert_array_equal(loaded.boxes, kept.boxes)
    np.testing.assert_array_equal(loaded.scores, kept.scores)
    np.testing.assert_array_equal(loaded.masks, kept.masks)


def test_any_weights_come_back_within_float16(tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = MaskRCNN(SMALL)
    save_model(model, CARD, tmp_path)
    loaded, card = load_network(str(tmp_path / "tiny.safetensors"))
    assert card.architecture["trunk"] == "resnet18"
    assert card.path == tmp_path / "tiny.json"
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor, rtol=1e-3, atol=1e-6)
    assert not any(p.requires_grad for p in loaded.parameters())


@pytest.mark.skipif(os.name == "nt", reason="no file modes there")
def test_files_are_as_readable_as_others(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_model(tmp_path)
    finally:
        os.umask(before)
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert {p.name for p in tmp_path.iterdir()} == {"tiny.json", "tiny.safetensors"}


def test_another_file_than_the_card_means(folder: Path) -> None:
    with (folder / "tiny.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\1")
    with pytest.raises(UserError, match="damaged, its SHA-256"):
        load_network("tiny")


def test_a_truncated_file(folder: Path) -> None:
    change_card(folder / "tiny.json", sha256="")
    with (folder / "tiny.safetensors").open("r+b") as file:
        file.truncate(100_000)
    with pytest.raises(UserError, match="cut short"):
        load_network("tiny")
    (folder / "tiny.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="cut short"):
        load_network("tiny")


class _Code:
    """Writes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return Path.touch, (self.canary,)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_is_not_run(tmp_path: Path, zipped: bool) -> None:
    canary, path = tmp_path / "canary", tmp_path / "x.pt"
    torch.save({"a": _Code(canary)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match="may hold code, which is never run"):
        read_state(path)
    assert not canary.exists()
    torch.load(path, weights_only=False)  # the trap does work
    assert canary.exists()


def test_a_plain_pickle_is_refused(tmp_path: Path) -> None:
    canary, path = tmp_path / "canary", tmp_path / "x.pt"
    path.write_bytes(pickle.dumps(_Code(canary)))
    with pytest.raises(UserError, match="never run"):
        read_state(path)
    assert not canary.exists()


def test_a_pt_state_dict_is_read(folder: Path) -> None:
    other = network(7)
    torch.save(other.state_dict(), folder / "tiny.pt")
    change_card(folder / "tiny.json", sha256="")
    # The file that was named counts, although the other one lies beside it.
    loaded, _ = load_network(str(folder / "tiny.pt"))
    torch.testing.assert_close(loaded.state_dict(), other.state_dict())
    (folder / "tiny.safetensors").unlink()
    loaded, _ = load_network("tiny")
    torch.testing.assert_close(loaded.state_dict(), other.state_dict())


def test_a_pt_file_of_something_else(tmp_path: Path) -> None:
    torch.save({"model": network().state_dict(), "step": 1}, tmp_path / "x.pt")
    with pytest.raises(UserError, match="something other than weights"):
        read_state(tmp_path / "x.pt")


def test_weights_of_another_architecture(folder: Path) -> None:
    wide = Architecture(channels=24, box_hidden=16, mask_channels=8, mask_layers=1)
    change_card(folder / "tiny.json", architecture=wide.to_dict())
    with pytest.raises(UserError, match="another architecture than its card"):
        load_network("tiny")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"detector": "unet"}, "has no detector 'unet'"),
        ({"trunk": "vgg"}, "unknown trunk 'vgg'"),
        ({"anchors": [8, 16]}, "5 anchors are needed"),
        ({"channels": "many"}, "architecture is broken"),
        ({"channels": -4}, "architecture is broken"),
        ({"depth": 3}, "architecture is broken"),
    ],
)
def test_cards_of_no_architecture(folder: Path, change: dict[str, Any], words: str) -> None:
    change_card(folder / "tiny.json", architecture={**SMALL.to_dict(), **change})
    with pytest.raises(UserError, match=words):
        load_network("tiny")


def test_missing_files(folder: Path) -> None:
    (folder / "tiny.json").rename(folder / "kept.txt")
    with pytest.raises(UserError, match="needs its JSON card beside it"):
        load_network(str(folder / "tiny.safetensors"))
    (folder / "kept.txt").rename(folder / "tiny.json")
    (folder / "tiny.safetensors").unlink()
    with pytest.raises(UserError, match="weights of 'tiny' are missing"):
        load_network("tiny")


# -- running ----------------------------------------------------------------------------


@pytest.mark.parametrize("trunk", ["resnet18", "resnet50"])
@torch.inference_mode()
def test_folding_changes_nothing(trunk: str) -> None:
    arch = Architecture(trunk, channels=16, box_hidden=16, mask_channels=8, mask_layers=2)
    plain = network(1, arch)
    folded = copy.deepcopy(plain)
    _fold(folded)
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in plain.modules())
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    image = torch.rand(1, 3, 64, 96)
    for name, level in plain.features(image).items():
        scale = level.abs().max()
        torch.testing.assert_close(folded.features(image)[name] / scale, level / scale,
                                   rtol=1e-3, atol=1e-4)  # fmt: skip
    pooled = torch.rand(2, 16, 14, 14)
    torch.testing.assert_close(
        folded.mask_head(pooled), plain.mask_head(pooled), rtol=1e-3, atol=1e-4
    )


def test_detections_lie_in_the_core_best_first() -> None:
    detector = MaskRCNNDetector(network(), CARD, CPU)
    tile = np.random.default_rng(1).random((70, 100, 3), np.float32)
    tile.flags.writeable = False  # as some arrays of images are
    every = detector.detect(tile)
    core = (10, 20, 50, 60)
    some = detector.detect(tile, core)
    assert 0 < len(some) < len(every)
    for found in (every, some):
        assert (np.diff(found.scores) <= 0).all()
        assert found.masks.shape == (len(found), 28, 28)
        assert found.boxes.dtype == found.scores.dtype == np.float32
        assert found.masks.dtype == np.uint8
    x, y = (some.boxes[:, :2] + some.boxes[:, 2:]).T / 2
    assert ((y >= 10) & (y < 50) & (x >= 20) & (x < 60)).all()
    assert len(detector.detect(tile, low=1.0)) == 0


def test_calibration_moves_the_scores() -> None:
    tile = np.random.default_rng(1).random((64, 64, 3), np.float32)
    card = CARD.model_copy(update={"calibration": {"slope": 1.0, "offset": -1.0}})
    raw = MaskRCNNDetector(network(), CARD, CPU).detect(tile)
    fair = MaskRCNNDetector(network(), card, CPU).detect(tile)
    wanted = 1 / (1 + np.exp(1 - np.log(raw.scores / (1 - raw.scores))))
    np.testing.assert_allclose(fair.scores, wanted, atol=1e-3)


@pytest.mark.parametrize("name", ["tpu", "cuda:99", "cpu:7", ""])
def test_an_unknown_device(name: str) -> None:
    with pytest.raises(UserError, match=r"no device '.*' here\. Choose one of: auto, .*cpu"):
        pick_device(name)


def test_devices() -> None:
    assert models.devices()[-1] == "cpu"
    assert pick_device("cpu") == CPU
    assert str(pick_device("auto")) == models.devices()[0]

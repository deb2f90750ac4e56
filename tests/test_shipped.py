"""The shipped models are what their cards say."""

from __future__ import annotations

import pytest

from napari_nuclei import models
from napari_nuclei.models.card import read_card, sha256_of
from napari_nuclei.models.registry import DEFAULT, SHIPPED
from napari_nuclei.progress import result_of

CARDS = sorted(SHIPPED.glob("*.json"))


def test_there_is_a_default_model_and_all_fit_into_the_package():
    assert DEFAULT in {path.stem for path in CARDS}
    assert sum(p.stat().st_size for p in SHIPPED.glob("*.safetensors")) <= 70e6


@pytest.mark.parametrize("path", CARDS, ids=lambda p: p.stem)
def test_weights_match_their_card(path):
    card = read_card(path)
    assert card.name == path.stem
    assert sha256_of(card.weights) == card.sha256
    assert card.licence not in ("", "unknown")
    assert card.data


@pytest.mark.parametrize("path", CARDS, ids=lambda p: p.stem)
def test_a_model_scores_on_the_sample_set_what_its_card_says(path):
    from napari_nuclei.learn.validate import SAMPLE, sample_figures

    detector = models.load(path.stem, "cpu")
    said = detector.card.scores[SAMPLE]
    now = result_of(sample_figures(detector))
    for figure in ("f1_50", "ap50", "recall50", "precision50"):
        assert now[figure] == pytest.approx(said[figure], abs=0.01), figure

"""What a run of imitation may be asked for, and how its rate goes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from drivelab.errors import ConfigError
from drivelab.training.imitation import ImitationSettings
from drivelab.training.imitation.scenes import LabminiScenes, NavsimScenes
from drivelab.training.imitation.schedule import rate_at


class TestSchedule:
    def test_rises_to_one_and_falls_to_nothing(self):
        rates = [rate_at(update, 100, 0.1) for update in range(100)]
        assert rates[:10] == pytest.approx(np.arange(1, 11) / 10)
        assert rates[10] == 1.0
        assert rates[55] == pytest.approx(0.5)
        assert 0 < rates[-1] < 1e-3
        assert rates[10:] == sorted(rates[10:], reverse=True)

    def test_without_a_warm_up_it_starts_at_the_top(self):
        assert rate_at(0, 10, 0.0) == 1.0


class TestChoices:
    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"epochs": 0}, "epochs=0: expected 1 or more"),
            ({"ema": 1.0}, "ema=1.0: expected from 0 to below 1"),
            ({"precision": "fp16"}, "precision=fp16: expected one of fp32, bf16"),
            ({"workers": 3}, "batch=8: expected a multiple of workers"),
            ({"curves": "paper"}, "curves=paper: expected one of tensorboard, wandb"),
            ({"patience": 0}, "patience=0"),
        ],
    )
    def test_numbers_out_of_range_are_told(self, change: dict, told: str):
        with pytest.raises(ConfigError, match=told):
            ImitationSettings(Path("nowhere"), **{"batch": 8, **change})

    def test_the_test_split_is_not_to_be_learnt_from(self):
        with pytest.raises(ConfigError, match="test is for measuring"):
            LabminiScenes(train="test")
        with pytest.raises(ConfigError, match="embedded is for measuring"):
            LabminiScenes(train="embedded")
        with pytest.raises(ConfigError, match="navtest is for measuring"):
            NavsimScenes(split="navtest")
        with pytest.raises(ConfigError, match="are both train"):
            LabminiScenes(validation="train")

    def test_real_logs_need_their_roots(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.delenv("OPENSCENE_DATA_ROOT", raising=False)
        with pytest.raises(ConfigError, match="set OPENSCENE_DATA_ROOT and NUPLAN_MAPS_ROOT"):
            NavsimScenes()._source()

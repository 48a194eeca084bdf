from __future__ import annotations

import pytest

from entbench.suites.timing import verdicts_planner
from entbench.suites.timing.verdicts_planner import TRIALS, judge, verdicts


@pytest.mark.parametrize("name", ["rare atoms of 1e-3, 30 %", "Zipf, exponent 1.5"])
def test_rare_mass_is_planned_for_or_marked(name: str) -> None:
    """Over 40 more seeds no plan of 160 was wrong, and 1 of 80 of the rare atoms was marked."""
    for seed in range(3):
        for untold, wrong in judge(name, 2000, 0.1, seed, 20):
            assert not wrong
            assert untold is (name == "Zipf, exponent 1.5")


def test_a_wrong_plan_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of 10 times the one asked for, whatever n is."""
    monkeypatch.setattr(verdicts_planner, "_error_at", lambda *given: 1.0)
    assert judge("rare atoms of 1e-2, 30 %", 2000, 0.1, 0, 20) == [(False, True)] * 2


@pytest.mark.slow
def test_plans_hold_as_often_as_promised() -> None:
    assert TRIALS >= 20
    failed = [str(verdict) for verdict in verdicts() if not verdict.passes]
    assert failed == []

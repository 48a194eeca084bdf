"""``entbench bounds``: the numbers of `entbench.bounds`, in four formats and two widths."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from click.testing import CliRunner

from entbench import bounds as theory
from entbench.cli import _common
from entbench.cli._bounds import bounds
from entbench.report import Screen

UPPER = ("plug_in_risk", "theorem_4", "theorem_4_printed", "theorem_5_printed")
LOWER = ("worst_case_bias_lower", "theorem_6_worst_case", "minimax_lower")


def _run(*arguments: str) -> str:
    done = CliRunner().invoke(bounds, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def _json(*arguments: str) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    found: dict[str, Any] = json.loads(_run(*arguments, "--format", "json"), parse_constant=refuse)
    return found


def test_each_column_is_its_function() -> None:
    data = _json("d=5", "sigma=0.1", "n=1e3:1e6:log4")
    assert data["unit"] == "nats"
    assert [row["n"] for row in data["bounds"]] == [10**3, 10**4, 10**5, 10**6]
    for row in data["bounds"]:
        setting = (row["n"], 5, 0.1)
        assert row["range"] == theory.trivial_range(5, 0.1)
        assert row["plug_in_risk"] == theory.plug_in_risk_bound(*setting)
        assert row["theorem_4"] == theory.plug_in_risk_theorem_4(*setting)
        assert row["theorem_4_printed"] == theory.plug_in_risk_theorem_4_printed(*setting)
        assert row["theorem_5_printed"] == theory.plug_in_risk_theorem_5(*setting, 1.0)
        assert row["information_risk"] == theory.information_risk_bound(*setting)
        assert row["worst_case_bias_lower"] == theory.worst_case_bias_bound(*setting)
        assert row["theorem_6_worst_case"] == theory.theorem_6_bias_bound(*setting)
        assert row["minimax_lower"] == theory.minimax_risk_bound(*setting)
        above = {name for name in (*UPPER, "information_risk") if row[name] > row["range"]}
        assert set(row["vacuous"]) == above
    assert set(data["notes"]) == {*UPPER, "information_risk", *LOWER}
    # the values of Theorem 4 that the theory lists
    assert [row["theorem_4"] for row in data["bounds"]] == pytest.approx(
        [56.6, 20.9, 7.6, 2.74], rel=6e-3
    )


def test_subgaussian_columns_come_with_k() -> None:
    data = _json("d=3", "sigma=0.1", "n=1000", "K=0.04,1")
    near, far = data["bounds"]
    assert (near["K"], far["K"]) == (0.04, 1)
    for row in (near, far):
        expected = theory.subgaussian_risk_bound(1000, 3, 0.1, row["K"])
        assert row["subgaussian_risk"] == expected
        length = theory.power_limited_capacity(3, 0.1, row["K"] ** 2)
        assert ("subgaussian_risk" in row["vacuous"]) == (expected > length)
    assert near["subgaussian_bias"] == theory.subgaussian_bias_bound(1000, 3, 0.1, 0.04)
    assert far["subgaussian_bias"] is None  # needs K < sigma/2
    assert "subgaussian_risk" not in _json("n=10")["bounds"][0]


def test_sweeps_and_sizes() -> None:
    data = _json("d=1,10", "sigma=0.3,0.5", "n=100,10,100")
    settings = [(row["d"], row["sigma"], row["n"]) for row in data["bounds"]]
    assert settings == [(d, s, n) for d in (1, 10) for s in (0.3, 0.5) for n in (10, 100)]


def test_what_overflows_is_none_and_vacuous() -> None:
    (row,) = _json("d=10000", "sigma=1e-6", "n=1e18")["bounds"]
    assert row["theorem_4"] is None
    assert "theorem_4" in row["vacuous"]
    (alone,) = _json("d=1", "sigma=0.1", "n=1")["bounds"]
    assert alone["theorem_5_printed"] is None  # needs two samples
    assert "theorem_5_printed" not in alone["vacuous"]
    text = _run("d=1", "sigma=0.1", "n=1")
    assert "-: does not hold" in text
    assert "does not hold" not in _run("d=10000", "sigma=1e-6", "n=1e18")


def test_csv_has_numbers_where_tables_say_vacuous() -> None:
    (line,) = csv.DictReader(io.StringIO(_run("d=5", "sigma=0.1", "n=1e3", "--format", "csv")))
    assert float(line["theorem_4"]) == theory.plug_in_risk_theorem_4(1000, 5, 0.1)
    assert "theorem_4" in line["vacuous"].split()
    markdown = _run("d=5", "sigma=0.1", "n=1e3", "--format", "markdown")
    assert "| 1000 | 4.64 | vacuous |" in markdown


@pytest.mark.parametrize(
    ("width", "k", "narrow"),
    [(120, (), False), (120, ("K=0.04",), False), (80, ("K=0.04",), True), (72, (), True)],
)
def test_table_fits_its_terminal(
    width: int, k: tuple[str, ...], narrow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_common, "_screen", lambda: Screen(width, color=False))
    text = _run("d=1,10", "sigma=0.1", "n=10,1e5,1e13", *k)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    rules = [line for line in lines if line and set(line) <= {"─", " "}]
    assert ("lower bounds, beside the sharpest upper one" in lines) == narrow
    assert len(rules) == (4 if narrow else 2)
    # no cell is folded into a second line: each row starts with its n
    for rule in [i for i, line in enumerate(lines) if line in rules]:
        starts = [line.split()[0] for line in lines[rule + 1 : rule + 4]]
        assert starts == ["10", "100000", "1e13"]
        assert lines[rule + 4] == ""
    for header in ("risk", "thm 4*", "bias >=", "any >="):
        assert any(line.startswith(f"{header}: ") for line in lines)


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("dim=5", "unknown parameter 'dim'. Did you mean"),
        ("d=0", "`d` must be an integer >= 1; got 0"),
        ("d=2.5", "`d` must be an integer >= 1; got 2.5"),
        ("n=0", "`n` must be an integer >= 1; got 0"),
        ("sigma=-1", "`sigma` must be a finite number > 0; got -1"),
        ("K=0", "`K` must be a finite number > 0; got 0"),
        ("n=1:10:log1", "`n` must be like 100,1000"),
        ("sigma", "expected key=value; got 'sigma'"),
        ("n=1:1e18:lin10000", "a table may have at most 10000 rows; got 20000"),
    ],
)
def test_bad_tokens_are_refused(token: str, message: str) -> None:
    given = [token, "d=1,2"] if "lin" in token else [token]
    with pytest.raises((ValueError, TypeError)) as caught:
        CliRunner().invoke(bounds, given, catch_exceptions=False)
    assert message in str(caught.value)

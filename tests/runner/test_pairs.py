"""Sources of pairs through the runner, and suites of several sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from entbench import (
    MutualInformationEstimator,
    Pairs,
    PairSource,
    Reference,
    estimate_entropy,
    estimate_mutual_information,
    register_estimator,
    register_source,
    run_suite,
)
from entbench._functional import with_noise
from entbench.report import render, suite_data, suite_printout, summarise
from entbench.runner import load_suite, make_plan, override, unfit
from entbench.runner._worker import draw
from entbench.sources import BPSKChannel, DiscreteContinuous

SUITE = """
n = [50, 200]
trials = 3
estimators = ["correlation", "residual"]
[[source]]
name = "bivariate-normal"
rho = [0.5, 0.9]
[[source]]
name = "discrete-continuous"
m = 3
"""


class Correlation(MutualInformationEstimator):
    reads, version = "noisy", "1"

    def fit(self, X, y):  # type: ignore[no-untyped-def]
        rho = np.corrcoef(np.ravel(X), np.ravel(y))[0, 1]
        self.mutual_information_ = -0.5 * np.log1p(-(rho**2))
        self.n_features_in_ = 1
        return self


class Residual(MutualInformationEstimator):
    """I = log(var Y / var Z) / 2 for a Gaussian signal: only the signal and sigma are needed."""

    reads, version = "signal", "1"

    def __init__(self, sigma: float) -> None:
        self.sigma = sigma

    def fit(self, X, y):  # type: ignore[no-untyped-def]
        self.mutual_information_ = 0.5 * np.log1p(np.var(y) / self.sigma**2)
        self.n_features_in_ = 1
        return self


@pytest.fixture
def suite(tmp_path: Path) -> str:
    register_estimator("correlation")(Correlation)
    register_estimator("residual")(Residual)
    path = tmp_path / "pairs.toml"
    path.write_text(SUITE)
    return str(path)


def test_plan_leaves_out_what_cannot_be_run(suite: str) -> None:
    plan = make_plan(load_suite(suite))
    assert [case.source.label for case in plan.cases] == [
        "bivariate-normal[rho=0.5]",
        "bivariate-normal[rho=0.9]",
        "discrete-continuous[m=3]",
    ]
    (note,) = plan.notes
    assert note == (
        "residual is left out for discrete-continuous: it needs Gaussian noise, and the source has "
        "none"
    )
    assert len(plan.cells) == 2 * 3 * (2 + 2 + 1)


def test_run_comes_near_the_truth(suite: str, tmp_path: Path) -> None:
    run = run_suite(suite, {"n": 2000}, trials=5, jobs=1, store=tmp_path / "s.sqlite")
    assert all(record.ok for record in run.records)
    summary = summarise(run)
    data = suite_data(summary)
    assert [reference["quantity"] for reference in data["reference"]] == ["I(X;Y)"] * 3
    assert data["reference"][2]["source"] == {"name": "discrete-continuous", "m": 3}
    assert data["params"]["sources"][0] == {"source": "bivariate-normal", "rho": [0.5, 0.9]}
    for row in data["rows"]:
        if row["source"]["name"] == "bivariate-normal":
            # a standard deviation of rho/sqrt(n) or so; 5 trials
            assert abs(row["bias"]) < 4.5 * 1.0 / np.sqrt(5 * 2000)
    text = render(suite_printout(summary), "table")
    assert "discrete-continuous[m=3]: I(X;Y) = 0.636514" in text
    assert "residual is left out for discrete-continuous" in text
    assert "correlation @ bivariate-normal[rho=0.5]" not in text  # one n has no slope
    assert "source" in render(suite_printout(summary), "csv").splitlines()[0].split(",")


def test_parameters_go_to_the_sources_that_take_them(suite: str) -> None:
    wanted = override(load_suite(suite), {"rho": 0.1})
    assert wanted.sources == (
        ("bivariate-normal", {"rho": (0.1,)}),
        ("discrete-continuous", {"m": (3,)}),
    )
    with pytest.raises(ValueError, match=r"unknown key for suite .* 'sigma'"):
        override(load_suite(suite), {"sigma": 0.1})


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("kl", '{ name = "bivariate-normal" }', "'kl' .* differential entropy, and the source"),
        ("correlation", '{ name = "truncated-mixture" }', "a mutual information, and the source"),
        ("residual", '{ name = "additive-uniform" }', "it needs Gaussian noise"),
    ],
)
def test_mismatch_is_one_line(
    suite: str, tmp_path: Path, name: str, source: str, message: str
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(f'n = 50\nestimators = ["{name}"]\nsource = {source}\n')
    with pytest.raises(ValueError, match=message):
        make_plan(load_suite(str(path)))


@pytest.mark.parametrize("text", ["source = []", "source = [3]"])
def test_bad_lists_of_sources(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(f'n = 50\nestimators = ["kl"]\n{text}\n')
    with pytest.raises(ValueError, match=r"`source` must be a table, or a list of tables"):
        load_suite(str(path))


def test_every_estimator_gets_the_same_pairs(suite: str) -> None:
    cells = [c for c in make_plan(load_suite(suite)).cells if c.source.name == "bivariate-normal"]
    channel = BPSKChannel(d=2)
    given = {}
    for cell in cells:
        samples = draw(channel, cell)
        assert np.array_equal(samples["signal"][0], samples["noisy"][0])
        content = b"".join(array.tobytes() for array in samples["noisy"])
        key = (cell.source.label, cell.n, cell.trial)
        assert given.setdefault(key, content) == content
    assert len(set(given.values())) == len(given) == 12
    assert set(draw(DiscreteContinuous(), cells[0])) == {"noisy"}


def test_functional_call(suite: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 1))
    result = estimate_mutual_information(x, 2 * x, "residual", sigma=0.5)
    assert result.value == pytest.approx(0.5 * np.log1p(np.var(2 * x) / 0.25))
    assert (result.n, result.d_x, result.d_y, result.estimator) == (500, 1, 1, "residual")
    noisy = estimate_mutual_information(x, x, "correlation", sigma=1.0, random_state=3)
    assert noisy.value == Correlation().fit(x, with_noise(x, 1.0, 3)).mutual_information_
    with pytest.raises(ValueError, match="as many rows as each other; got 500 and 499"):
        estimate_mutual_information(x, x[1:], "correlation")
    with pytest.raises(ValueError, match="'correlation' estimates a mutual information: use"):
        estimate_entropy(x, "correlation")
    with pytest.raises(ValueError, match="'kl' estimates a differential entropy: use"):
        estimate_mutual_information(x, x, "kl")
    with pytest.raises(ValueError, match="needs `sigma`"):
        estimate_mutual_information(x, x, "residual")


class OneColumn(Correlation):
    most_columns = 1


def test_a_limit_on_columns_is_no_failure(suite: str, tmp_path: Path) -> None:
    """Of a sweep over the dimension, the settings with more columns are left out, and say so."""
    register_estimator("one-column")(OneColumn)
    path = tmp_path / "wide.toml"
    path.write_text(
        'n = 50\ntrials = 2\nestimators = ["one-column", "correlation"]\n'
        'source = { name = "bpsk-awgn", d = [1, 2], sigma = 1.0 }\n'
    )
    plan = make_plan(load_suite(str(path)))
    run = {(c.source.label, c.estimator.name) for c in plan.cells}
    wide = "bpsk-awgn[d=2,sigma=1.0]"
    assert (wide, "correlation") in run
    assert (wide, "one-column") not in run
    assert ("bpsk-awgn[d=1,sigma=1.0]", "one-column") in run
    assert plan.notes == (f"one-column is left out for {wide}: it takes at most 1 column a side",)
    assert unfit(load_suite(str(path)), "kl").startswith("it estimates a differential entropy")
    path.write_text(path.read_text().replace("[1, 2]", "2"))
    with pytest.raises(ValueError, match="'one-column' cannot be run against bpsk-awgn: it takes"):
        make_plan(load_suite(str(path)))


class Coins(PairSource):
    """Two equal fair coins; like any plugin's, its reference does not say what it is of."""

    version = "1"
    dims = (1, 1)

    def sample(self, n: int, rng: np.random.Generator) -> Pairs:
        coins = rng.integers(0, 2, (n, 1)).astype(np.float64)
        return Pairs(coins, coins)

    def reference(self) -> Reference:
        return Reference(float(np.log(2.0)), 0.0, "closed form")


def test_the_truth_of_pairs_is_an_information(tmp_path: Path) -> None:
    register_source("coins")(Coins)
    path = tmp_path / "coins.toml"
    path.write_text('n = 50\nestimators = ["mixed-ksg"]\nsource = { name = "coins" }\n')
    (case,) = make_plan(load_suite(str(path))).cases
    assert case.reference.quantity == "I(X;Y)"

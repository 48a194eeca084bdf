from __future__ import annotations

from pathlib import Path

import pytest

from entbench.runner import (
    load_suite,
    make_plan,
    override,
    parse_named,
    parse_values,
    run_suite,
    stored_run,
)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("5", [5]),
        ("5,10", [5, 10]),
        ("0.1,1e-2", [0.1, 0.01]),
        ("1e2:1e4:log3", [100.0, 1000.0, 10000.0]),
        ("0:1:lin5", [0.0, 0.25, 0.5, 0.75, 1.0]),
        ("true,none,word", [True, None, "word"]),
    ],
)
def test_values(text: str, values: list[object]) -> None:
    parsed = parse_values("key", text)
    assert [type(value) for value in parsed] == [type(value) for value in values]
    for value, expected in zip(parsed, values, strict=True):
        assert value == (pytest.approx(expected) if isinstance(expected, float) else expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1,,2",
        "1:2",
        "1:2:3",
        "1:2:log1",
        "0:10:log3",
        "-1:10:log3",
        "a:b:log3",
        "1:2:log99999999",
    ]
    + ["inf", "nan", "1e999", "1:inf:log3"],
)
def test_bad_values(text: str) -> None:
    with pytest.raises(ValueError, match="`key` (needs|must)"):
        parse_values("key", text)


def test_named() -> None:
    assert parse_named("kl") == ("kl", {})
    assert parse_named("kl[]") == ("kl", {})
    assert parse_named("kl[k=3, norm=linf]") == ("kl", {"k": 3, "norm": "linf"})
    for bad in ("", "kl[", "kl]", "kl[k]", "kl[=3]", "kl[k=]", "kl[k=1,k=2]", "a b", "kl[k=1]x"):
        with pytest.raises(ValueError, match="must be like|expected key=value|needs|given twice"):
            parse_named(bad)


def test_built_in_suite_is_the_main_job() -> None:
    suite = load_suite("truncated-mixture")
    assert suite.n == (100, 300, 1000, 3000, 10_000)
    assert suite.trials == 20
    names = [name for name, _ in suite.estimators]
    assert names == ["sp", "kl", "kde", "binning", "kt-upper", "kt-lower"]
    assert suite.params["d"] == 5


def test_overriding() -> None:
    suite = override(
        load_suite("truncated-mixture"),
        {"d": "5,10", "n": "1e2:1e3:log2", "sigma": 0.5},
        estimators=["kl[k=1]"],
        trials=3,
        seed=7,
    )
    ((name, grid),) = suite.sources
    assert name == "truncated-mixture"
    assert (grid["d"], grid["sigma"]) == ((5, 10), (0.5,))
    assert (suite.n, suite.trials, suite.seed) == ((100, 1000), 3, 7)
    assert suite.estimators == (("kl", {"k": 1}),)


def test_points_of_a_sweep_of_n_are_rounded() -> None:
    suite = override(load_suite("truncated-mixture"), {"n": "1e1:1e2:log3"})
    assert suite.n == (10, 32, 100)
    assert override(suite, {"n": "1e3,50"}).n == (50, 1000)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"sigm": "0.1"}, "unknown key for suite 'truncated-mixture' 'sigm'. .*'sigma'"),
        ({"trials": "3"}, "`trials` is an option: write --trials VALUE"),
        ({"n": "1"}, "`n` must be an integer >= 2; got 1"),
        ({"n": "abc"}, "`n` must be an integer"),
        ({"n": "10.5"}, "`n` must be an integer >= 2; got 10.5"),
        ({"n": [10.5]}, "`n` must be an integer >= 2; got 10.5"),
        ({"n": "1:10:log3"}, "`n` must be an integer >= 2; got 1"),
        ({"n": []}, "`n` needs at least one value"),
    ],
)
def test_bad_overrides(params: dict[str, object], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        override(load_suite("truncated-mixture"), params)


GOOD = """
n = [10, 20]
trials = 2
estimators = ["kl"]
[source]
name = "truncated-mixture"
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n = [", "not valid TOML"),
        ("\xff", "not valid TOML"),
        ("n = [10]", "`source`, `estimators` missing"),
        (GOOD.replace("trials", "trails"), "unknown key 'trails'. Did you mean 'trials'"),
        (GOOD.replace("trials = 2", "trials = true"), "`trials` has the wrong type"),
        (GOOD.replace("trials = 2", "trials = 0"), "`trials` must be an integer >= 1"),
        (GOOD.replace('["kl"]', "[]"), "`estimators` must be a list"),
        (GOOD.replace('["kl"]', "[3]"), "`estimators` must be a list"),
        (GOOD.replace("name", "title"), "`source` needs a `name`"),
        (GOOD.replace("-mixture", "-mixtur"), "unknown source .* Did you mean 'truncated-mixture'"),
        (GOOD + "dd = 3", "unknown parameter of source 'truncated-mixture' 'dd'. Did"),
        (GOOD.replace("[10, 20]", "[1]"), "`n` must be an integer >= 2"),
        ("max_n = 3\n" + GOOD, "`max_n` has the wrong type"),
        ("max_n = { kll = 10 }\n" + GOOD, "unknown estimator 'kll'"),
        ("max_n = { kl = 1 }\n" + GOOD, "`max_n.kl` must be an integer >= 2"),
    ],
)
def test_bad_suite_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=message):
        load_suite(str(path))


def test_missing_suite() -> None:
    with pytest.raises(ValueError, match="unknown suite 'truncated'. Did you mean"):
        load_suite("truncated")
    with pytest.raises(ValueError, match=r"suite file 'nowhere.toml' does not exist"):
        load_suite("nowhere.toml")


def test_own_suite_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD + "d = [1, 2]\n")
    plan = make_plan(load_suite(str(path)))
    assert [case.source.label for case in plan.cases] == [
        "truncated-mixture[d=1,sigma=0.1,tau=0.02]",
        "truncated-mixture[d=2,sigma=0.1,tau=0.02]",
    ]
    assert len(plan.cells) == 2 * 2 * 2


def plan_of(params: dict[str, object], estimators: list[str]) -> object:
    suite = override(load_suite("truncated-mixture"), params, estimators=estimators, trials=1)
    return make_plan(suite)


def test_key_does_not_depend_on_how_a_number_is_written() -> None:
    one = plan_of({"d": "5", "sigma": "1", "n": "100"}, ["kl"])
    two = plan_of({"d": 5.0, "sigma": 1.0, "n": 1e2}, ["kl[k=4]"])
    assert [cell.key for cell in one.cells] == [cell.key for cell in two.cells]


def test_key_depends_on_all_that_determines_the_value() -> None:
    base = {"d": 2, "sigma": 0.1, "n": 100}
    plans = [
        plan_of(base, ["kl"]),
        plan_of({**base, "d": 3}, ["kl"]),
        plan_of({**base, "sigma": 0.2}, ["kl"]),
        plan_of({**base, "tau": 0.1}, ["kl"]),
        plan_of({**base, "n": 200}, ["kl"]),
        plan_of(base, ["kl[k=1]"]),
        plan_of(base, ["kde"]),
    ]
    keys = [plan.cells[0].key for plan in plans]
    assert len(set(keys)) == len(keys)


def test_version_is_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    from entbench.estimators import KozachenkoLeonenko
    from entbench.sources import TruncatedMixture

    keys = [plan_of({"n": 100}, ["kl"]).cells[0].key]
    for cls in (KozachenkoLeonenko, TruncatedMixture):
        monkeypatch.setattr(cls, "version", "another")
        keys.append(plan_of({"n": 100}, ["kl"]).cells[0].key)
    assert len(set(keys)) == 3


def test_the_same_thing_twice_is_run_once() -> None:
    plan = plan_of({"d": [2, 2.0], "n": [100, 100]}, ["kl", "kl[k=4]", "kl[k=1]"])
    labels = [cell.estimator.label for cell in plan.cells]
    assert labels == ["kl", "kl[k=1]"]


def test_bad_parameters_are_found_before_anything_runs() -> None:
    with pytest.raises(ValueError, match="`k` must be an integer >= 1; got 0"):
        plan_of({}, ["kl[k=0]"])
    with pytest.raises(ValueError, match="`sigma` must be a finite number > 0; got -1"):
        plan_of({"sigma": "-1"}, ["kl"])
    with pytest.raises(ValueError, match="`d` must be an integer >= 1; got 0"):
        plan_of({"d": "0"}, ["kl"])


def test_estimators_stop_at_their_largest_n(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("max_n = { kl = 10, sp = 20 }\n" + GOOD.replace('"kl"', '"kl", "sp"'))
    plan = make_plan(load_suite(str(path)))
    assert {(c.estimator.name, c.n) for c in plan.cells} == {("kl", 10), ("sp", 10), ("sp", 20)}
    assert plan.notes == ("kl is run up to n = 10 only, for time",)


def test_checks_that_are_not_named_are_not_the_same_as_none(tmp_path: Path) -> None:
    """Through the store, too: None stands for those that apply."""
    file, path = tmp_path / "mine.toml", tmp_path / "s.sqlite"
    head = 'n = [10]\ntrials = 2\nestimators = ["kl"]\n'
    source = '[source]\nname = "gaussian"\nd = 1\n'
    for text, checks in {
        "": None,
        "checks = []\n": (),
        'checks = ["bracket"]\n': ("bracket",),
    }.items():
        file.write_text(head + text + source)
        assert load_suite(str(file)).checks == checks
        run = run_suite(str(file), store=path, jobs=1)
        assert run.checks == checks
        assert stored_run(store=path) == run
    file.write_text(head + 'checks = "bracket"\n' + source)
    with pytest.raises(ValueError, match="`checks` has the wrong type: 'bracket'"):
        load_suite(str(file))

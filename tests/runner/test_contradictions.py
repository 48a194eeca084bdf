"""Certificates that contradict each other: told apart from sound ones, shown, and never used."""

from __future__ import annotations

import itertools
import re
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import t as student

from entbench import Reference, ReferenceCheck, Source, register_source, run_suite
from entbench import _registry as registry
from entbench.runner import (
    Store,
    StoreError,
    health,
    merge,
    remove,
    rubbish,
    rubbish_of_certificate,
)
from entbench.runner import _certificates as certificates
from entbench.runner._certificate_rows import Certificate, allowed_between, contradicting
from entbench.runner._certificates import reference_of
from entbench.runner._plan import source_spec
from entbench.runner._schema import CERTIFICATE_COLUMNS, seal

MADE: list[float] = []


class Disputed(Source):
    """A source whose truth is what `TRUTH` says."""

    version = "1"
    TRUTH = 1.0

    def __init__(self, sigma: float = 1.0) -> None:
        self.sigma = sigma

    @property
    def dim(self) -> int:
        return 1

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        return np.zeros((n, 1))

    def reference(self) -> Reference:
        return self.certify(5e-3)

    def certify(self, error: float, confidence: float = 0.95, seed: int = 0) -> Reference:
        MADE.append(error)
        return truth(self.TRUTH, error, confidence)


def truth(value: float, error: float, confidence: float = 1.0) -> Reference:
    check = ReferenceCheck("other", value, 0.0)
    return Reference(value, error, "some way", (check,), "h(S+Z)", confidence)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    MADE.clear()
    register_source("disputed")(Disputed)
    monkeypatch.setattr(Disputed, "TRUTH", 1.0)


SOURCE = Disputed()


def find(store: Store | None, *wanted: float) -> Certificate:
    return reference_of(source_spec("disputed", SOURCE), SOURCE, *wanted, store=store)


def put(path: Path, *references: Reference) -> list[str]:
    """Store certificates as they are, and return their ids."""
    spec = source_spec("disputed", SOURCE)
    key = certificates._key(spec)
    with Store(path) as store:
        return [
            store.add_certificate(key, spec, Certificate(each, {"entbench": "0.0.1"})).id
            for each in references
        ]


def count(path: Path) -> int:
    connection = sqlite3.connect(path)
    (found,) = connection.execute("SELECT count(*) FROM certificates").fetchone()
    connection.close()
    return int(found)


# Student's quantile over 15 degrees of freedom at 5e-5, over that at 5 %: 5.6 / 2.13
WIDER = float(student.ppf(1 - 2.5e-5, 15) / student.ppf(0.975, 15))


@pytest.mark.parametrize(
    ("first", "second", "allowed"),
    [
        ((1.0, 1e-3), (1.0, 1e-9), 1e-3 + 1e-9),
        ((1.0, 1e-3, 0.95), (1.0, 1e-9), WIDER * 1e-3 + 1e-9),
        ((1.0, 1e-3, 0.95), (1.0, 2e-3, 0.95), WIDER * 3e-3),
        ((1.0, 1e-3, 0.99999), (1.0, 0.0), 1e-3),  # surer than is asked: not narrowed
        ((1.0, 1e-3, 0.0), (1.0, 0.0), float("inf")),  # which promises nothing
    ],
)
def test_what_two_may_differ_by(
    first: tuple[float, ...], second: tuple[float, ...], allowed: float
) -> None:
    found = allowed_between(truth(*first), truth(*second))
    assert found == allowed_between(truth(*second), truth(*first))
    assert found == pytest.approx(allowed, rel=1e-9)
    if allowed == float("inf"):
        return
    for factor, wrong in ((0.0, 0), (0.999, 0), (1.001, 2)):
        value = 1.0 + factor * allowed
        pair = [Certificate(truth(*first), {}), Certificate(truth(value, *second[1:]), {})]
        assert len(contradicting(pair)) == wrong
        assert contradicting(pair) == (pair if wrong else [])


def test_equal_exact_and_nested_ones_agree() -> None:
    """Two exact values from two processors differ by rounding."""
    for one, two in (
        (truth(1.0, 0.0), truth(1.0, 0.0)),
        (truth(3.0, 0.0), truth(np.nextafter(3.0, 4.0), 0.0)),
        (truth(1.0, 0.5), truth(1.4, 1e-12)),
    ):
        assert contradicting([Certificate(one, {}), Certificate(two, {})]) == []
    apart = [Certificate(truth(1.0, 0.0), {}), Certificate(truth(1.0 + 1e-13, 0.0), {})]
    assert contradicting(apart) == apart
    lost = [Certificate(truth(float("nan"), 1.0), {}), Certificate(truth(1.0, 1.0), {})]
    assert contradicting(lost) == lost


def test_sound_ones_seldom_contradict_each_other_and_wrong_ones_do() -> None:
    """Means of 16 batches with Student's limits at 95 %: at most one pair in 10,000."""
    rng = np.random.default_rng(1)
    draws, half = 1_000_000, float(student.ppf(0.975, 15))
    t = rng.standard_normal((2, draws)) / np.sqrt(rng.chisquare(15, (2, draws)) / 15)
    allowed = WIDER * 2 * half
    assert np.mean(np.abs(t[0] - t[1]) > allowed) <= 1e-4
    assert np.mean(np.abs(t[0] - t[1] + 8 * half) > allowed) > 0.95


def test_of_several_those_that_contradict_are_named() -> None:
    every = [
        Certificate(each, {})
        for each in (truth(1.0, 1e-3), truth(1.0, 0.5), truth(1.2, 1e-3), truth(1.3, 1e-3))
    ]
    assert contradicting(every) == [every[0], every[2], every[3]]
    assert contradicting(every[:2]) == []
    assert contradicting([]) == []


KINDS = {
    "proved, proved": (truth(1.0, 1e-6), truth(1.5, 1e-3)),
    "proved, sampled": (truth(1.0, 1e-6), truth(1.5, 1e-3, 0.95)),
    "sampled, sampled": (truth(1.0, 1e-4, 0.95), truth(1.5, 1e-3, 0.99)),
    "as tight and as sure": (truth(1.0, 1e-3, 0.95), truth(1.5, 1e-3, 0.95)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_both_are_shown_and_neither_is_used_until_one_is_deleted(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    ids = put(path, *KINDS[kind])
    shown = [
        rf"h\(S\+Z\) = {value} \+- \S+ nats \([^()]*\) by some way "
        rf"\(certificate {name}; entbench 0.0.1\)"
        for value, name in zip((r"1\.0+", r"1\.50+"), ids, strict=True)
    ]
    for create, wanted in itertools.product((True, False), ((5e-3,), (1e-9,), (5e-3, 0.5))):
        refused = pytest.raises(ValueError, match="contradict each other")
        with Store(path, create=create) as store, refused as told:  # good enough or not
            find(store, *wanted)
        text = str(told.value)
        assert text.startswith("2 certificates of source disputed[sigma=1.0] contradict each other")
        assert all(re.search(each, text) for each in shown)
        assert "They are 5.0e-01 nats apart, their errors allow " in text
        assert f"entbench clean --store {path} --certificate " in text
        assert "\n" not in text
    assert MADE == []
    for wrong in (0, 1):
        other = tmp_path / f"{wrong}.sqlite"
        shutil.copy(path, other)
        with Store(other) as store:
            _, row = rubbish_of_certificate(store, ids[wrong])
            remove(store, [row])
            assert find(store).reference == KINDS[kind][1 - wrong]
    assert MADE == []


def test_three_are_shown_and_all_but_one_have_to_go(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    ids = put(path, truth(1.0, 1e-3), truth(1.5, 1e-4), truth(2.0, 1e-5))
    with Store(path) as store:
        for left in (3, 2):
            with pytest.raises(ValueError, match=f"^{left} cert.*None is|^{left} cert.*Neither is"):
                find(store)
            remove(store, [rubbish_of_certificate(store, ids[3 - left])[1]])
        assert find(store).reference == truth(2.0, 1e-5)


def test_a_tighter_one_that_contradicts_the_stored_one_is_kept_and_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        assert find(store).reference.value == 1.0
        monkeypatch.setattr(Disputed, "TRUTH", 1.0 + 0.9 * WIDER * 6e-3)
        assert find(store, 1e-3).reference.error == 1e-3  # far, yet within both errors
        monkeypatch.setattr(Disputed, "TRUTH", 1.2)
        with pytest.raises(ValueError, match="3 certificates .* contradict each other"):
            find(store, 5e-4)
        assert count(path) == 3
        for wanted in (5e-3, 5e-4, 1e-6):
            with pytest.raises(ValueError, match="contradict each other"):
                find(store, wanted)
    assert MADE == [5e-3, 1e-3, 5e-4]


def test_a_read_only_store_is_left_as_it_is_and_the_new_one_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.sqlite"
    (kept,) = put(path, truth(1.0, 5e-3, 0.95))
    before = path.read_bytes()
    monkeypatch.setattr(Disputed, "TRUTH", 1.2)
    with Store(path, create=False) as store:
        assert find(store).id == kept
        with pytest.raises(ValueError, match="= 1.2000 .* .computed now, not stored") as told:
            find(store, 1e-3)
        assert str(told.value).endswith(f"--certificate {kept}`.")
    assert path.read_bytes() == before


def test_a_damaged_one_is_told_as_damaged_and_not_compared(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    put(path, truth(1.0, 1e-3, 0.95), truth(1.001, 2e-3, 0.95))
    connection = sqlite3.connect(path)
    connection.execute("UPDATE certificates SET value = 7.0 WHERE error > 1.5e-3")
    connection.commit()
    connection.close()
    with Store(path) as store:
        for wanted in (5e-3, 1e-6):
            with pytest.raises(StoreError, match="damaged: there is a certificate that does not"):
                find(store, wanted)
        assert (health(path)["damaged"], health(path)["contradictions"]) == (1, [])
        with pytest.raises(ValueError, match="'zz'. Those it keeps: [0-9a-f]{12} of disputed"):
            rubbish_of_certificate(store, "zz")
        remove(store, [rubbish(store, "damaged")])
        assert find(store).reference == truth(1.0, 1e-3, 0.95)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("checks", "[1]"),
        ("checks", '[{"method": "m", "value": "1", "difference": 0.0}]'),
        ("checks", '[{"methods": "m"}]'),
        ("versions", "[]"),
        ("versions", "{"),
        ("value", "one"),
        ("method", b"m"),
    ],
)
def test_one_that_fits_its_checksum_and_cannot_be_read_counts_as_damaged(
    tmp_path: Path, column: str, value: object
) -> None:
    """As of a store that another program wrote."""
    path, other = tmp_path / "s.sqlite", tmp_path / "other.sqlite"
    put(path, truth(1.0, 1e-3, 0.95))
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE certificates SET {column} = ?", (value,))
    columns = ", ".join(CERTIFICATE_COLUMNS)
    (row,) = connection.execute(f"SELECT key, {columns} FROM certificates")
    connection.execute("UPDATE certificates SET seal = ?", (seal(*row),))
    connection.commit()
    connection.close()
    with Store(other) as store, pytest.raises(StoreError, match="1 damaged rows"):
        merge(store, path)
    assert (health(path)["damaged"], health(path)["contradictions"]) == (1, [])
    with Store(path) as store:
        with pytest.raises(StoreError, match="is damaged"):
            find(store)
        remove(store, [rubbish(store, "damaged")])
        assert find(store).reference.error == 5e-3
    assert MADE == [5e-3]


@pytest.mark.parametrize("kind", [*KINDS, "nested", "equal"])
def test_merging_keeps_both_and_says_so_in_both_directions(kind: str, tmp_path: Path) -> None:
    first, second = {
        **KINDS,
        "nested": (truth(1.0, 0.5, 0.95), truth(1.2, 1e-3)),
        "equal": (truth(1.0, 1e-3), truth(1.0, 1e-3)),
    }[kind]
    used = []
    for ours, theirs in ((first, second), (second, first)):
        one, two = (tmp_path / f"{ours.value}-{n}.sqlite" for n in "12")
        put(one, ours)
        put(two, theirs)
        before = two.read_bytes()
        with Store(one) as store:
            found = merge(store, two)
            assert found.certificates == (kind != "equal")
            again = merge(store, two)
        assert again == replace(found, certificates=0)  # as long as both are there
        assert two.read_bytes() == before
        assert health(one)["contradictions"] == list(found.contradictions)
        if kind in KINDS:
            (text,) = found.contradictions
            assert text.startswith("2 certificates of source disputed[sigma=1.0] contradict")
            assert f"entbench clean --store {one} --certificate" in text
            with Store(one) as store, pytest.raises(ValueError, match="contradict") as told:
                find(store)
            assert str(told.value) == text
        else:
            assert found.contradictions == ()
            with Store(one) as store:
                used.append(find(store).reference)
    assert used == [] if kind in KINDS else len(set(used)) == 1


def test_sources_of_their_own_are_not_compared(tmp_path: Path) -> None:
    one, two = tmp_path / "1.sqlite", tmp_path / "2.sqlite"
    put(one, truth(1.0, 1e-3), truth(2.0, 1e-3))  # which the other store knows nothing of
    wide = registry.make_source("disputed", {"sigma": 2.0})
    spec = source_spec("disputed", wide)
    with Store(two) as store:
        store.add_certificate(certificates._key(spec), spec, Certificate(truth(5.0, 1e-3), {}))
    with Store(one) as store:
        assert merge(store, two).contradictions == ()
        assert reference_of(spec, wide, store=store).reference.value == 5.0
    with Store(two) as store:
        assert len(merge(store, one).contradictions) == 1  # it brings both


def test_a_suite_stops_before_any_truth_is_computed(tmp_path: Path) -> None:
    path, suite = tmp_path / "s.sqlite", tmp_path / "mine.toml"
    put(path, *KINDS["sampled, sampled"])
    suite.write_text(
        'n = [10]\ntrials = 1\nestimators = ["sp"]\n'
        'source = { name = "disputed", sigma = [3.0, 2.0, 1.0] }\n'
    )
    for _ in range(2):
        with pytest.raises(ValueError, match="2 certificates of source disputed.sigma=1.0. contra"):
            run_suite(str(suite), store=path, jobs=1)
    assert MADE == []
    with Store(path) as store:
        assert store.runs() == []
    assert run_suite(str(suite), {"sigma": 2.0}, store=path, jobs=1).cases[0].reference.value == 1.0


def test_names_of_certificates(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    nothing = "keeps no certificate 'a'. Those it keeps: none."
    with Store(path) as store, pytest.raises(ValueError, match=nothing):
        rubbish_of_certificate(store, "a")
    ids = put(path, *(truth(1.0, 1e-3 * k) for k in range(1, 21)))
    with Store(path) as store:
        for name in ids:
            found, row = rubbish_of_certificate(store, name)
            assert (found.id, len(row)) == (name, 1)
        with pytest.raises(ValueError, match=r"'': Those|''. Those it keeps: .*; and 10 more\."):
            rubbish_of_certificate(store, "")
        shared = next(x for x in "0123456789abcdef" if sum(i.startswith(x) for i in ids) > 1)
        with pytest.raises(ValueError, match=f"'{shared}' is the beginning of . certificates: "):
            rubbish_of_certificate(store, shared)


def test_a_stored_one_that_its_own_check_refutes_says_how_to_delete_it(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    bad = replace(truth(1.0, 1e-3), checks=(ReferenceCheck("other", 2.0, 1.0, 1e-3),))
    (name,) = put(path, bad)
    with Store(path) as store:
        remedy = f"`entbench clean --store {re.escape(str(path))} --certificate {name}` deletes it"
        with pytest.raises(ValueError, match=f"is refused: .*{remedy}"):
            find(store)

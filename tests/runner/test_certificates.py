"""References through the store: made once, used again where they are good enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from entbench import Reference, Source, register_source
from entbench import _registry as registry
from entbench._base import ReferenceCheck
from entbench.runner import Store, load_suite, make_plan
from entbench.runner import _certificates as certificates
from entbench.runner._certificates import reference_of, verify
from entbench.runner._plan import source_spec
from entbench.runner._store import Certificate
from entbench.sources import TruncatedMixture

MADE: list[tuple[float, float, int]] = []


class Sampled(Source):
    """A source of 0, that counts how often it is asked."""

    version = "1"

    def __init__(self, sigma: float = 1.0, shift: float = 0.0) -> None:
        self.sigma, self.shift = sigma, shift

    @property
    def dim(self) -> int:
        return 1

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        return np.zeros((n, 1))

    def reference(self) -> Reference:
        return self.certify(5e-3)

    def certify(self, error: float, confidence: float = 0.95, seed: int = 0) -> Reference:
        MADE.append((error, confidence, seed))
        value = 1 / 3 + self.shift * seed
        check = ReferenceCheck("other", value + 0.1, 0.1)
        return Reference(value, error, f"seed {seed}", (check,), "h(S+Z)", confidence)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float, int]]:
    MADE.clear()
    register_source("zero")(Sampled)
    return MADE


def find(store: Store | None, *wanted: float, **params: Any) -> Certificate:
    source = registry.make_source("zero", params)
    return reference_of(source_spec("zero", source), source, *wanted, store=store)


def test_certificate_is_made_once(tmp_path: Path, asked: list[Any]) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        first = find(store)
    with Store(tmp_path / "s.sqlite") as store:
        assert find(store) == first  # to the bit, checks and versions too
    assert asked == [(5e-3, 0.95, 0)]
    assert set(first.versions) == {"entbench", "numpy", "scipy", "numba"}


def test_one_that_is_good_enough_is_used(tmp_path: Path, asked: list[Any]) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        find(store, 1e-3, 0.99)
        assert find(store, 1e-3, 0.99).reference.error == 1e-3
        assert find(store, 5e-3, 0.95).reference.error == 1e-3  # the tightest
        assert len(asked) == 1
        find(store, 5e-4, 0.95)  # tighter
        find(store, 1e-3, 0.999)  # surer
        find(store, 1e-2, 0.9, sigma=2.0)  # of another source
        assert len(asked) == 4
        assert find(store, 2e-3).reference.error == 5e-4
        assert len(asked) == 4


@pytest.mark.parametrize("what", ["version", "method"])
def test_another_version_is_another_certificate(
    what: str, tmp_path: Path, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        find(store)
        if what == "version":
            monkeypatch.setattr(Sampled, "version", "2")
        else:
            monkeypatch.setattr(certificates, "CERTIFICATE_VERSION", "0")
        find(store)
    assert len(asked) == 2


def test_exact_reference_needs_no_store(tmp_path: Path) -> None:
    source = TruncatedMixture()
    spec = source_spec("truncated-mixture", source)
    with Store(tmp_path / "s.sqlite") as store:
        assert reference_of(spec, source, 1e-6, store=store).reference == source.reference()
        (count,) = store._connection.execute("SELECT count(*) FROM certificates").fetchone()
    assert count == 0
    with pytest.raises(ValueError, match="`error` must be at least .* nats for source 'truncated"):
        reference_of(spec, source, 1e-20)


def test_store_that_is_not_there_is_not_made(tmp_path: Path, asked: list[Any]) -> None:
    with Store(tmp_path / "none.sqlite", create=False) as store:
        find(store)
    assert not (tmp_path / "none.sqlite").exists()


def test_plan_takes_references_from_the_store(tmp_path: Path, asked: list[Any]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('source = {name = "zero", sigma = [1.0, 2.0]}\nestimators = ["sp"]\nn = [10]\n')
    suite = load_suite(str(path))
    with Store(tmp_path / "s.sqlite") as store:
        first, second = make_plan(suite, store), make_plan(suite, store)
    assert first == second
    assert len(asked) == 2
    assert [case.reference.confidence for case in first.cases] == [0.95, 0.95]
    assert make_plan(suite).cases == first.cases
    assert len(asked) == 4


def test_verification(asked: list[Any]) -> None:
    reference = Sampled().certify(1e-2)
    again = verify(Sampled(), reference, 1e-2, 0.9)
    assert again.agrees
    assert again.fresh
    assert asked[-1] == (2e-2, 0.999, 1)
    # within 0.01 and 0.02 of the truth: 0.029 apart they may be, 0.031 not
    assert verify(Sampled(shift=0.029), reference, 1e-2).agrees
    apart = verify(Sampled(shift=-0.031), reference, 1e-2)
    assert not apart.agrees
    assert apart.difference == pytest.approx(0.031)


def test_stored_certificate_that_its_check_contradicts_is_refused(
    tmp_path: Path, asked: list[Any]
) -> None:
    """However it came there: from a merged store, say."""
    source = registry.make_source("zero", {})
    spec = source_spec("zero", source)
    checks = (ReferenceCheck("other", 0.02, 0.02, 0.01),)
    bad = Certificate(Reference(0.0, 4e-3, "once", checks, confidence=0.95), {})
    key = certificates.digest(
        {"source": spec.identity, "certificate": certificates.CERTIFICATE_VERSION}
    )
    with Store(tmp_path / "s.sqlite") as store:
        store.add_certificate(key, spec, bad)
        with pytest.raises(
            ValueError, match="the reference of source 'zero' is refused: .* 2.0e-02"
        ):
            find(store)
    assert not asked


def test_certificate_made_now_that_its_check_contradicts_is_refused(
    tmp_path: Path, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def certify(self: Sampled, error: float, confidence: float = 0.95, seed: int = 0) -> Reference:
        return Reference(0.0, error, "now", (ReferenceCheck("other", 1.0, 1.0, 0.1),))

    monkeypatch.setattr(Sampled, "certify", certify)
    with Store(tmp_path / "s.sqlite") as store:
        with pytest.raises(ValueError, match="is refused: .* 1.0e.00 apart, 9.0e-01 more than"):
            find(store)
        (count,) = store._connection.execute("SELECT count(*) FROM certificates").fetchone()
    assert count == 0


def test_a_proven_bound_with_a_sampled_check_is_verified_anew(asked: list[Any]) -> None:
    checks = (ReferenceCheck("other", 1 / 3, 0.0, 0.01),)
    again = verify(Sampled(), Reference(1 / 3, 1e-9, "closed form", checks), 1e-2)
    assert again.fresh
    assert again.agrees


def test_exact_reference_is_held_against_its_checks() -> None:
    source = TruncatedMixture()
    exact = source.reference()
    assert verify(source, exact).agrees
    assert not verify(source, exact).fresh
    wrong = Reference(exact.value + 1e-6, exact.error, "", (ReferenceCheck("", 0.0, 1e-6),))
    assert not verify(source, wrong).agrees
    with pytest.raises(ValueError, match="has no second evaluation"):
        verify(source, Reference(0.0, 1e-9, ""))

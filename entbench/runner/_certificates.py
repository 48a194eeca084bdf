"""References: exact ones computed, those that take sampling certified, kept and used again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version

import entbench
from entbench._base import PairSource, Reference, ReferenceCheck, Source
from entbench._records import Spec, digest
from entbench._text import bound_text
from entbench.runner._certificate_rows import Certificate, deletion
from entbench.runner._store import Store
from entbench.sources._certificate import (
    CERTIFICATE_VERSION,
    DEFAULT_CONFIDENCE,
    DEFAULT_ERROR,
    SampledSource,
    contradiction,
    refuse_contradicted,
)

_LIBRARIES = ("numpy", "scipy", "numba")
# What exact references and their checks may differ by, as the sources' contract has it.
_CHECK_FACTOR, _CHECK_FLOOR = 10.0, 1e-10
_SEED, _OTHER_SEED = 0, 1
# At 95 % one evaluation in twenty would contradict a truth that has hardly an error. Twice the
# error at 99.9 % takes about as many draws.
_VERIFY_FACTOR, _VERIFY_CONFIDENCE = 2.0, 0.999


@dataclass(frozen=True)
class Verification:
    """A reference held against another evaluation.

    Attributes
    ----------
    method : str
        Of the other evaluation.
    value : float
        The other value in nats.
    error : float or None
        Bound on the other value's error, in nats; None where it states none.
    difference : float
        Between the two values, in nats.
    allowed : float
        What the difference may come to.
    fresh : bool
        Whether it was evaluated now; else it is one of the reference's checks.
    """

    method: str
    value: float
    error: float | None
    difference: float
    allowed: float
    fresh: bool = True

    @property
    def agrees(self) -> bool:
        """Whether the two agree."""
        return self.difference <= self.allowed


def reference_of(
    spec: Spec,
    source: Source | PairSource,
    error: float | None = None,
    confidence: float = DEFAULT_CONFIDENCE,
    store: Store | None = None,
) -> Certificate:
    """Return a source's truth, from the store where one that is good enough is there.

    Parameters
    ----------
    spec : Spec
        Row of the source.
    source : Source or PairSource
        The source itself.
    error : float, optional
        Bound on the error to reach, in nats. By default what an exact source has, and 0.005 for
        one whose truth takes sampling.
    confidence : float, default=0.95
        Of that bound, where sampling goes into it.
    store : Store, optional
        Where certificates are looked up, and kept if it is open for writing.

    Raises
    ------
    ValueError
        If the error cannot be reached, a check of the certificate, made or stored, contradicts it
        beyond the errors of both, or two certificates of the source contradict each other.
    """
    if not isinstance(source, Source) or not is_sampled(source):
        # of what the truth is, the kind of the source says: a plugin's own need not
        truth = replace(source.reference(), quantity=source.quantity)
        return Certificate(_within(error, truth, spec.name), versions())
    asked = DEFAULT_ERROR if error is None else error
    key = _key(spec)
    stored = store.certificate(key, asked, confidence) if store is not None else None
    if stored is not None and store is not None:
        try:
            refuse_contradicted(stored.reference, spec.name)
        except ValueError as refused:
            remedy = f"{deletion(stored.id, store.path)} deletes it from the store."
            raise ValueError(f"{refused} {remedy}") from refused
        return stored
    reference = _within(asked, source.certify(asked, confidence, _SEED), spec.name)
    refuse_contradicted(reference, spec.name)
    made = Certificate(reference, versions())
    if store is None:
        return made
    made = store.add_certificate(key, spec, made)
    store.certificates(key, *(() if store.writable else (made,)))
    return made


def check_stored(spec: Spec, source: Source | PairSource, store: Store) -> None:
    """Raise ValueError where two stored certificates of a source contradict each other."""
    if is_sampled(source):
        store.certificates(_key(spec))


def _key(spec: Spec) -> str:
    return digest({"source": spec.identity, "certificate": CERTIFICATE_VERSION})


def is_sampled(source: Source | PairSource) -> bool:
    """Tell whether a source certifies its truth by sampling, rather than compute it."""
    return isinstance(source, Source) and type(source).certify is not Source.certify


def verify(
    source: Source | PairSource,
    reference: Reference,
    error: float | None = None,
    confidence: float = DEFAULT_CONFIDENCE,
) -> Verification:
    """Hold a reference against a second evaluation.

    One that took sampling, or whose check did, is made again with another seed, by another method
    where the source has one, to twice the error at 99.9 % at least; the two may differ by the sum
    of their errors. An exact one is held against the worst of its checks, each an evaluation of its
    own made with it; see `allowed_of`.
    """
    exact = reference.confidence >= 1.0 and all(each.error is None for each in reference.checks)
    if not exact and isinstance(source, Source):
        again = source.verify if isinstance(source, SampledSource) else source.certify
        wanted = _VERIFY_FACTOR * (DEFAULT_ERROR if error is None else error)
        second = again(wanted, max(confidence, _VERIFY_CONFIDENCE), _OTHER_SEED)
        difference = abs(second.value - reference.value)
        allowed = second.error + reference.error
        return Verification(second.method, second.value, second.error, difference, allowed)
    if not reference.checks:
        raise ValueError("the source's reference has no second evaluation to verify it by.")
    worst = max(reference.checks, key=lambda check: check.difference - allowed_of(reference, check))
    allowed = allowed_of(reference, worst)
    return Verification(
        worst.method, worst.value, worst.error, worst.difference, allowed, fresh=False
    )


def refusal(reference: Reference, second: Verification, name: str) -> str:
    """Return the line for a reference that another evaluation contradicts."""
    error = second.allowed - reference.error if second.error is None else second.error
    return contradiction(reference, second.method, second.value, error, name)


def allowed_of(reference: Reference, check: ReferenceCheck | None = None) -> float:
    """Return what a check of a reference may differ by.

    The sum of both errors where the check states its own. Else ten times the reference's error,
    and 1e-10 nats, as the contract of sources has it: a check may be looser than the value.
    """
    if check is not None and check.error is not None:
        return reference.error + check.error
    return _CHECK_FACTOR * reference.error + _CHECK_FLOOR


def _within(error: float | None, reference: Reference, name: str) -> Reference:
    if error is not None and not reference.error <= error:
        raise ValueError(
            f"`error` must be at least {bound_text(reference.error)} nats for source {name!r}, "
            f"whose reference is computed to that; got {error!r}."
        )
    return reference


def versions() -> dict[str, str]:
    """Return the versions of what makes a reference, by name."""
    found = {"entbench": entbench.__version__}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found

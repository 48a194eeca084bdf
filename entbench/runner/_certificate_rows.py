"""Certificates as a store keeps them, and whether two of them contradict each other."""

from __future__ import annotations

import itertools
import json
import math
import shlex
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scipy.special import stdtrit

from entbench._base import Reference, ReferenceCheck
from entbench._text import bound_text, value_text
from entbench.runner import _schema as schema
from entbench.runner._plan_rows import typed

_DIGITS_OF_ID = 12
# Two sound certificates are told to contradict each other in at most that share of pairs.
_FALSE_ALARMS = 1e-4
# Errors by sampling grow with the confidence as the normal quantile, or as Student's over the 16
# batches of a bracket, which grows faster: it covers both.
_FREEDOM = 15
_ROUNDING = 2.0**-50


@dataclass(frozen=True)
class Certificate:
    """A reference that sampling made.

    Attributes
    ----------
    reference : Reference
        The truth.
    versions : dict
        Of entbench and the libraries that made it, by name.
    source : str
        Label of the source, for messages; "" for one that is not from a store.
    id : str
        Name of a stored certificate, made from its content; "" for one that is not stored.
    """

    reference: Reference
    versions: dict[str, str]
    source: str = field(default="", compare=False)
    id: str = field(default="", compare=False)

    @property
    def text(self) -> str:
        """The certificate in one line."""
        truth = self.reference
        sure = "proved" if truth.confidence >= 1.0 else f"at {100.0 * truth.confidence:g} %"
        made_by = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        name = f"certificate {self.id}" if self.id else "computed now, not stored"
        value = value_text(truth.value, truth.error, truth.confidence)
        return (
            f"{truth.quantity} = {value} +- {bound_text(truth.error)} nats ({sure}) by "
            f"{truth.method} ({name}; {made_by or 'versions unknown'})"
        )


def certificate_row(reference: Reference, versions: dict[str, str]) -> tuple[Any, ...]:
    """Return a certificate as `CERTIFICATE_COLUMNS`."""
    return (
        *(float(reference.value), float(reference.error), float(reference.confidence)),
        *(reference.method, reference.quantity),
        json.dumps([asdict(check) for check in reference.checks], allow_nan=False),
        json.dumps(versions, sort_keys=True),
    )


def certificate_id(mark: bytes) -> str:
    """Return the name of the certificate with this seal."""
    return mark.hex()[:_DIGITS_OF_ID]


def stored_certificates(
    connection: sqlite3.Connection, key: bytes | None = None
) -> Iterator[tuple[int, bytes, Certificate | None]]:
    """Yield row number, key and certificate, the tightest first, of a key or of all.

    None stands for a certificate that does not fit its checksum, or cannot be read.
    """
    columns = ", ".join(schema.CERTIFICATE_COLUMNS)
    where = "" if key is None else "WHERE key = ?"
    rows = connection.execute(
        f"SELECT certificates.rowid, key, seal, specs.spec, {columns} "
        f"FROM certificates LEFT JOIN specs ON specs.id = certificates.spec {where} "
        "ORDER BY key, error, confidence DESC, value",
        () if key is None else (key,),
    )
    for row, of, mark, spec, *said in rows.fetchall():
        certificate = None
        if mark == schema.seal(of, *said):
            with suppress(ValueError, TypeError, LookupError, AttributeError):
                certificate = _certificate(spec, mark, said)
        yield row, of, certificate


def contradictions(connection: sqlite3.Connection) -> dict[bytes, list[Certificate]]:
    """Return by key the stored certificates that contradict each other."""
    by_key: dict[bytes, list[Certificate]] = {}
    for _, key, certificate in stored_certificates(connection):
        if certificate is not None:  # damaged ones are neither used nor compared
            by_key.setdefault(key, []).append(certificate)
    found = {key: contradicting(certificates) for key, certificates in by_key.items()}
    return {key: certificates for key, certificates in found.items() if certificates}


def contradicting(certificates: Sequence[Certificate]) -> list[Certificate]:
    """Return those that contradict another one, in their order."""
    wrong = {
        i
        for pair in itertools.combinations(range(len(certificates)), 2)
        if _excess(*(certificates[i] for i in pair)) > 0.0
        for i in pair
    }
    return [certificates[i] for i in sorted(wrong)]


def allowed_between(first: Reference, second: Reference) -> float:
    """Return how far apart two references of one source may be, in nats.

    The sum of their errors, and rounding. An error from sampling counts at a confidence such that
    two sound references are farther apart in at most 1e-4 of cases; a proved one counts as it is.
    """
    rounding = _ROUNDING * (1.0 + max(abs(first.value), abs(second.value)))
    return _widened(first) + _widened(second) + rounding


def contradiction_text(found: Sequence[Certificate], path: Path) -> str:
    """Return the line for certificates of one source that contradict each other.

    Parameters
    ----------
    found : sequence of Certificate
        See `contradicting`.
    path : Path
        The store that keeps them.
    """
    first, second = max(itertools.combinations(found, 2), key=lambda pair: _excess(*pair))
    apart = abs(first.reference.value - second.reference.value)
    allowed = allowed_between(first.reference, second.reference)
    ids = [each.id for each in found if each.id]
    others = "".join(f" or {each}" for each in ids[1:])
    source = next(each.source for each in found if each.id)
    return (
        f"{len(found)} certificates of source {source} contradict each other: "
        f"{'; '.join(each.text for each in found)}. They are {apart:.1e} nats apart, their errors "
        f"allow {allowed:.1e}. {'Neither' if len(found) == 2 else 'None'} is used until the wrong "
        f"one is deleted: {deletion(ids[0], path)}{others}."
    )


def deletion(name: str, path: Path) -> str:
    """Return the command that deletes a stored certificate, as messages show it."""
    return f"`entbench clean --store {shlex.quote(str(path))} --certificate {name}`"


def _excess(first: Certificate, second: Certificate) -> float:
    """Return by how much two are farther apart than allowed; positive where they contradict."""
    one, two = first.reference, second.reference
    excess = abs(one.value - two.value) - allowed_between(one, two)
    return math.inf if math.isnan(excess) else excess


def _widened(reference: Reference) -> float:
    wanted = 1.0 - 0.5 * _FALSE_ALARMS
    if reference.confidence >= wanted:
        return reference.error
    if not reference.confidence > 0.0:  # which promises nothing
        return math.inf
    high, own = (stdtrit(_FREEDOM, 0.5 + 0.5 * each) for each in (wanted, reference.confidence))
    return float(reference.error * high / own)


def _certificate(spec: str | None, mark: bytes, said: Sequence[Any]) -> Certificate:
    row = dict(zip(schema.CERTIFICATE_COLUMNS, said, strict=True))
    made_by = {str(key): str(of) for key, of in json.loads(row.pop("versions")).items()}
    checks = tuple(typed(ReferenceCheck, check) for check in json.loads(row["checks"]))
    reference = typed(Reference, {**row, "checks": checks})
    source = json.loads(spec or "{}").get("source", {})
    listed = ",".join(f"{key}={of}" for key, of in source.get("params", {}).items())
    name = f"{source.get('name', 'unknown')}[{listed}]"
    return Certificate(reference, made_by, name, certificate_id(mark))

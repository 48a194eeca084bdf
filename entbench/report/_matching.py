"""Which source or estimator of one run is which of another, whatever their versions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from entbench._records import Spec


def matched(first: Iterable[Spec], second: Iterable[Spec]) -> dict[Spec, Spec]:
    """Return the partners in the second run of those of the first that have one.

    A partner has the same name and parameters. Where there is none, it is the only one of the name
    whose parameters do not contradict: a parameter that one version lacks says nothing.
    """
    ours, theirs = list(dict.fromkeys(first)), list(dict.fromkeys(second))
    by_params = {(spec.name, spec.params): spec for spec in theirs}
    found = {
        spec: by_params[spec.name, spec.params]
        for spec in ours
        if (spec.name, spec.params) in by_params
    }
    left = [spec for spec in ours if spec not in found]
    free = [spec for spec in theirs if spec not in found.values()]
    for spec in left:
        near = [other for other in free if _agree(spec, other)]
        if len(near) == 1 and sum(_agree(each, near[0]) for each in left) == 1:
            found[spec] = near[0]
    return found


def added_parameters(pairs: Iterable[tuple[Spec, Spec]]) -> list[str]:
    """Return, for people, which parameters only one of two partners has."""
    said = []
    for ours, theirs in pairs:
        old, new = dict(ours.params), dict(theirs.params)
        for name, lacks in (("A", new.keys() - old.keys()), ("B", old.keys() - new.keys())):
            said += [f"{ours.name}: {name} does not know `{key}`" for key in sorted(lacks)]
    return list(dict.fromkeys(said))


def differences(first: Sequence[str], second: Sequence[str]) -> str:
    """Return ``a, b and c``-like text for two lists that differ; "" for the same."""
    ours, theirs = list(dict.fromkeys(first)), list(dict.fromkeys(second))
    return "" if set(ours) == set(theirs) else f"{_short(ours)} and {_short(theirs)}"


def _agree(ours: Spec, theirs: Spec) -> bool:
    known = dict(theirs.params)
    return ours.name == theirs.name and all(known.get(k, v) == v for k, v in ours.params)


def _short(names: Sequence[str], most: int = 3) -> str:
    more = f", ... ({len(names)})" if len(names) > most else ""
    return ", ".join(names[:most]) + more

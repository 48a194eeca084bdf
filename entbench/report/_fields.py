"""Who ran against whom: estimators on a source at one n, with the trials that all of them have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from entbench._records import Record, Spec, SuiteRun
from entbench.report._ranks import LogMeans, Pairs, log_means, pairs_of, resampling


@dataclass(frozen=True)
class Field:
    """Estimators that ran on a source at one n without a failure.

    Attributes
    ----------
    source : Spec
        The source.
    n, trials : int
        Samples; trials that all of them have.
    labels : tuple of str
        The estimators.
    errors, seconds : LogMeans
        Of the absolute errors, an error below that of the reference counting as the reference's,
        and of the times of a fit. Both from the same resampled trials.
    pairs : Pairs
        Of the mean absolute errors of all pairs of estimators.
    """

    source: Spec
    n: int
    trials: int
    labels: tuple[str, ...]
    errors: LogMeans
    seconds: LogMeans
    pairs: Pairs

    def only(self, labels: Sequence[str]) -> Field:
        """Return the field without the others."""
        chosen = [i for i, label in enumerate(self.labels) if label in labels]
        names = tuple(self.labels[i] for i in chosen)
        errors, seconds = self.errors.take(chosen), self.seconds.take(chosen)
        pairs = self.pairs.take(chosen)
        return Field(self.source, self.n, self.trials, names, errors, seconds, pairs)


@dataclass(frozen=True)
class Failure:
    """An estimator that failed on a source at one n, at some of its trials."""

    source: Spec
    n: int
    label: str
    failed: int
    trials: int


Trials = dict[int, Record]
Groups = Mapping[tuple[Spec, int], Mapping[str, Trials]]


def groups_of(run: SuiteRun) -> Groups:
    """Return records by source and n, then by estimator, then by trial."""
    groups: dict[tuple[Spec, int], dict[str, Trials]] = {}
    for record in run.records:
        cell = record.cell
        here = groups.setdefault((cell.source, cell.n), {})
        here.setdefault(cell.estimator.label, {})[cell.trial] = record
    return groups


def failures_of(groups: Groups) -> Iterator[Failure]:
    """Yield who failed where."""
    for (source, n), here in groups.items():
        for label, trials in here.items():
            failed = sum(not record.ok for record in trials.values())
            if failed:
                yield Failure(source, n, label, failed, len(trials))


def fields_of(run: SuiteRun, groups: Groups) -> Iterator[Field]:
    """Yield the field of each source and n on which some estimator did not fail."""
    references = {case.source: case.reference for case in run.cases}
    for (source, n), here in groups.items():
        whole = {
            label: trials for label, trials in here.items() if all(r.ok for r in trials.values())
        }
        # of a run cut short, some estimators have a trial more than others
        common = sorted(set.intersection(*map(set, whole.values()))) if whole else []
        if not common:
            continue
        values = np.array([[each[t].value for t in common] for each in whole.values()], np.float64)
        seconds = np.array([[each[t].seconds for t in common] for each in whole.values()])
        weights = resampling(len(common), {"source": source.identity, "n": n})
        reference = references[source]
        errors = values - reference.value
        logs = log_means(np.abs(errors), weights, reference.error)
        times = log_means(seconds, weights)
        stated = [[each[t].numerical_error or 0.0 for t in common] for each in whole.values()]
        near = float(np.sqrt(np.mean(np.square(stated))))
        pairs = pairs_of(errors, reference.error, near)
        yield Field(source, n, len(common), tuple(whole), logs, times, pairs)


def roles_of(run: SuiteRun) -> dict[str, str]:
    """Return whether each estimator's value is an estimate or a bound, by label."""
    estimators = dict.fromkeys(record.cell.estimator for record in run.records)
    return {spec.label: spec.facts.role for spec in estimators}

"""After which epochs something is kept: evenly on a logarithmic scale."""

from __future__ import annotations

import numpy as np

_PER_DECADE = 12


def decade_epochs(last: int) -> tuple[int, ...]:
    """Return 0, 12 epochs a decade, and the last."""
    steps = np.arange(0.0, np.log10(last) * _PER_DECADE + 1.0) / _PER_DECADE
    return tuple(sorted({0, last} | {min(round(10.0**step), last) for step in steps}))


def log_epochs(last: int, records: int) -> tuple[int, ...]:
    """Return 0 and about as many epochs as asked, and the last: each at first, then fewer."""
    most = asked = min(records - 1, last)
    while True:
        found = {*np.geomspace(1.0, last, asked).round().astype(int).tolist(), last}
        if len(found) >= most:
            return (0, *sorted(found))
        asked += max(1, most - len(found))

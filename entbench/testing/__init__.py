"""Is my estimator right, and if not, why? Checks for estimators of one's own.

``entbench check my.py:Estimator`` on the command line; here as a call and for pytest.
"""

from entbench.testing._kit import (
    CHECK_NAMES,
    check_estimator,
    describe_settings,
    parametrize_with_checks,
    run_checks,
)
from entbench.testing._results import MARKS, CheckResult, LawResult, describe_value

__all__ = [
    "CHECK_NAMES",
    "MARKS",
    "CheckResult",
    "LawResult",
    "check_estimator",
    "describe_settings",
    "describe_value",
    "parametrize_with_checks",
    "run_checks",
]

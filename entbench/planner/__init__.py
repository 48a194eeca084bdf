"""How many samples the plug-in needs, at which noise: from theorems, and from a pilot sample."""

from entbench.planner._bounds import BOUNDS, Bound, samples_needed, sigma_needed
from entbench.planner._pilot import Pilot, measure_pilot
from entbench.planner._plan import Answer, Plan, plan
from entbench.planner._timing import Timing, calibrate

__all__ = [
    "BOUNDS",
    "Answer",
    "Bound",
    "Pilot",
    "Plan",
    "Timing",
    "calibrate",
    "measure_pilot",
    "plan",
    "samples_needed",
    "sigma_needed",
]

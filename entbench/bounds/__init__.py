"""Theorems about estimators of h(S+Z), as functions. Values are in nats unless said otherwise.

Each docstring says for which class of sources the result holds, where it comes from, and how
certain it is. Bounds that exceed the floating range are inf; none is clipped. Throughout, n is the
number of samples of S, `dim` its dimension (d where typeset), `sigma` the standard deviation of the
noise (the beta of the papers), q the density of S+Z, qhat the equal-weight mixture over the
samples, h_SP its entropy, and "the cube" the class of all S with values in [-1, 1]^dim.
"""

from entbench.bounds._capacity import (
    is_vacuous,
    pam_information,
    peak_limited_capacity_bounds,
    power_limited_capacity,
    trivial_range,
)
from entbench.bounds._catalogue import (
    THEOREMS,
    moment_norm,
    range_of,
    says_nothing,
    theorems_of,
)
from entbench.bounds._minimax import (
    minimax_risk_bound,
    theorem_2_exponent_bounds,
    theorem_3_gap,
    theorem_3_log_rate,
    two_point_risk_bound,
)
from entbench.bounds._monte_carlo import (
    monte_carlo_mse_bound,
    monte_carlo_mse_control_variate,
    monte_carlo_mse_theorem_7,
    monte_carlo_mse_theorem_7_moment,
)
from entbench.bounds._plug_in import (
    count_entropy_deviation,
    cross_entropy_deviation,
    cube_chi_square_information,
    cube_l1_bound,
    plug_in_bias_bounds,
    plug_in_concentration,
    plug_in_risk_bound,
    plug_in_risk_theorem_4,
    uniform_values_bias_bound,
    worst_case_bias_bound,
)
from entbench.bounds._printed import plug_in_risk_theorem_4_printed, plug_in_risk_theorem_5
from entbench.bounds._shift import (
    binary_entropy,
    information_risk_bound,
    kl_shift_bound,
    kl_shift_printed,
    tv_shift_bound,
    tv_shift_printed,
    wasserstein_entropy_shift,
    wasserstein_shift_bound,
)
from entbench.bounds._subgaussian import (
    cube_subgaussian_constant,
    gaussian_chi_square_information,
    smoothed_kl_bound,
    smoothed_wasserstein_2_exponent,
    subgaussian_bias_bound,
    subgaussian_chi_square_information,
    subgaussian_l1_bound,
    subgaussian_risk_bound,
    subgaussian_wasserstein_bound,
)
from entbench.bounds._theorem_6 import (
    fano_bias_bound,
    theorem_6_bias_bound,
    theorem_6_cells,
    theorem_6_log_samples,
    theorem_6_smallest_epsilon,
    theorem_6_witness,
)

__all__ = [
    "THEOREMS",
    "binary_entropy",
    "count_entropy_deviation",
    "cross_entropy_deviation",
    "cube_chi_square_information",
    "cube_l1_bound",
    "cube_subgaussian_constant",
    "fano_bias_bound",
    "gaussian_chi_square_information",
    "information_risk_bound",
    "is_vacuous",
    "kl_shift_bound",
    "kl_shift_printed",
    "minimax_risk_bound",
    "moment_norm",
    "monte_carlo_mse_bound",
    "monte_carlo_mse_control_variate",
    "monte_carlo_mse_theorem_7",
    "monte_carlo_mse_theorem_7_moment",
    "pam_information",
    "peak_limited_capacity_bounds",
    "plug_in_bias_bounds",
    "plug_in_concentration",
    "plug_in_risk_bound",
    "plug_in_risk_theorem_4",
    "plug_in_risk_theorem_4_printed",
    "plug_in_risk_theorem_5",
    "power_limited_capacity",
    "range_of",
    "says_nothing",
    "smoothed_kl_bound",
    "smoothed_wasserstein_2_exponent",
    "subgaussian_bias_bound",
    "subgaussian_chi_square_information",
    "subgaussian_l1_bound",
    "subgaussian_risk_bound",
    "subgaussian_wasserstein_bound",
    "theorem_2_exponent_bounds",
    "theorem_3_gap",
    "theorem_3_log_rate",
    "theorem_6_bias_bound",
    "theorem_6_cells",
    "theorem_6_log_samples",
    "theorem_6_smallest_epsilon",
    "theorem_6_witness",
    "theorems_of",
    "trivial_range",
    "tv_shift_bound",
    "tv_shift_printed",
    "two_point_risk_bound",
    "uniform_values_bias_bound",
    "wasserstein_entropy_shift",
    "wasserstein_shift_bound",
    "worst_case_bias_bound",
]

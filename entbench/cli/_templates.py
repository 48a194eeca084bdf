"""The files of a new plugin, as texts to fill in."""

from __future__ import annotations

from string import Template

__all__ = ["class_name", "module_name", "plugin_files"]


def module_name(name: str) -> str:
    """Return the module's name for a registry name: ``my-method`` gives ``my_method``."""
    return name.replace("-", "_")


def class_name(name: str) -> str:
    """Return the class's name for a registry name: ``my-method`` gives ``MyMethod``."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("-"))


def plugin_files(name: str, kind: str, reads: str) -> dict[str, str]:
    """Return the texts by file name.

    Parameters
    ----------
    name : str
        Registry name, lower-case kebab.
    kind : {"entropy", "mutual-information"}
        What is estimated.
    reads : {"signal", "noisy"}
        What the estimator is given.
    """
    words = {
        "name": name,
        "module": module_name(name),
        "cls": class_name(name),
        "reads": reads,
        "quantity": _QUANTITY[kind],
        "suite": _SUITE[kind],
        "rival": _RIVAL[kind],
    }
    words |= {key: Template(text).substitute(words) for key, text in _PIECES[kind, reads].items()}
    sigma = _SIGMA if reads == "signal" else _NO_SIGMA
    words |= {key: Template(text).substitute(words) for key, text in sigma.items()}
    layout = {
        f"{words['module']}.py": _CLASS[kind],
        f"test_{words['module']}.py": _TEST,
        "pyproject.toml": _PYPROJECT,
        "README.md": _README,
    }
    return {file: Template(text).substitute(words) for file, text in layout.items()}


_QUANTITY = {"entropy": "differential entropy", "mutual-information": "mutual information"}
_SUITE = {
    "entropy": "entbench suite d=5 sigma=0.1",
    "mutual-information": "entbench suite mutual-information",
}
_RIVAL = {"entropy": "kl", "mutual-information": "ksg1"}

_PIECES = {
    ("entropy", "noisy"): {
        "data": "noisy",
        "given": "`noisy`: samples of T = S + Z, shape (n_samples, dim).",
    },
    ("entropy", "signal"): {
        "data": "signal",
        "given": "`signal`: samples of S, shape (n_samples, dim). Z has deviation `self.sigma`.",
    },
    ("mutual-information", "noisy"): {
        "data": "y",
        "given": "`x`, `y`: shapes (n_samples, dim_x), (n_samples, dim_y), a pair in each row.",
    },
    ("mutual-information", "signal"): {
        "data": "signal",
        "given": "`x`, `signal`: X and S, row by row. Y = S + Z, Z of deviation `self.sigma`.",
    },
}

_NO_SIGMA = {"parameters": "", "init": "", "check": ""}
_SIGMA = {
    "parameters": """
    Parameters
    ----------
    sigma : float
        Standard deviation of the noise Z, in the unit of the samples.
""",
    "init": '''
    def __init__(self, sigma):
        self.sigma = sigma

    def check_parameters(self):
        """Raise where a parameter is out of range."""
        if not (math.isfinite(self.sigma) and self.sigma > 0):
            raise ValueError(f"`sigma` must be a finite number > 0; got {self.sigma!r}.")
''',
    "check": "\n        self.check_parameters()",
}

_CLASS_HEAD = '''"""$cls: an estimator of $quantity for entbench."""

import math

import numpy as np
from entbench import $base, $checker, register_estimator


@register_estimator("$name")
class $cls($base):
    """Say in one line what is estimated and by which method.
$parameters
    Attributes
    ----------
    $value : float
        The estimate in nats. Never clipped.
    standard_error_ : float or None
        Standard deviation of the value over samples. None: not stated yet; set it in `fit`, and
        `interval_` where the bias is known, and `entbench check` tells whether they hold.

    Notes
    -----
    Say what its bias is, where it fails, and what it costs in n_samples and dim.

    References
    ----------
    Cite the paper, down to the equation.
    """

    reads = "$reads"
    version = "1"  # raise it when you change values on purpose
    role = "estimate"  # or "upper bound", "lower bound"
$init'''

_ENTROPY = (
    _CLASS_HEAD.replace("$base", "EntropyEstimator")
    .replace("$checker", "check_samples")
    .replace("$value", "entropy_")
    + '''
    def fit(self, X, y=None):
        """Estimate the differential entropy; see `entbench.EntropyEstimator`."""$check
        $data = check_samples(X)
        self.n_features_in_ = $data.shape[1]
        self.entropy_ = float(self._estimate($data))
        self.diagnostics_ = {}
        return self

    def _estimate(self, $data):
        """Return the differential entropy of T in nats.

        $given
        """
        # This is the one method to fill in. The array is finite, of float64, and not yours to
        # change: copy it first. np.log is the natural logarithm, so what it gives is in nats.
        raise NotImplementedError("fill in `_estimate` in $module.py")
'''
)

_MUTUAL_INFORMATION = (
    _CLASS_HEAD.replace("$base", "MutualInformationEstimator")
    .replace("$checker", "check_pairs")
    .replace("$value", "mutual_information_")
    + '''
    def fit(self, X, y):
        """Estimate the mutual information; see `entbench.MutualInformationEstimator`."""$check
        x, $data = check_pairs(X, y)
        self.n_features_in_ = x.shape[1]
        self.mutual_information_ = float(self._estimate(x, $data))
        self.diagnostics_ = {}
        return self

    def _estimate(self, x, $data):
        """Return the mutual information I(X;Y) in nats.

        $given
        """
        # This is the one method to fill in. The arrays are finite, of float64, and not yours to
        # change: copy them first. np.log is the natural logarithm, so what it gives is in nats.
        raise NotImplementedError("fill in `_estimate` in $module.py")
'''
)

_CLASS = {"entropy": _ENTROPY, "mutual-information": _MUTUAL_INFORMATION}

_TEST = '''"""Tests of $cls: run `pytest` here."""

from entbench.testing import parametrize_with_checks
from $module import $cls


@parametrize_with_checks([$cls])
def test_check(estimator, check):
    """One test for each line that `entbench check` prints."""
    check(estimator)
'''

_PYPROJECT = """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "entbench-$name"
version = "0.1.0"
description = "An estimator of $quantity for entbench"
requires-python = ">=3.11"
dependencies = ["entbench", "numpy"]

[project.optional-dependencies]
test = ["pytest"]

# Once this package is installed, entbench knows the name without --plugin.
[project.entry-points."entbench.estimators"]
$name = "$module:$cls"

[tool.setuptools]
py-modules = ["$module"]
"""

_README = """# $name

An estimator of $quantity for entbench, in `$module.py`.

```sh
entbench check $module.py:$cls
$suite --plugin $module.py
pip install -e .
$suite -e $rival -e $name
```

Once it is installed, entbench knows the name without `--plugin`.
"""

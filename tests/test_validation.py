from __future__ import annotations

import numpy as np
import pytest

from entbench._validation import (
    check_choice,
    check_fraction,
    check_integer,
    check_not_negative,
    check_positive,
    check_real,
    check_samples,
    unknown_name,
)


@pytest.mark.parametrize(
    ("samples", "kind", "message"),
    [
        (np.array(["a", "b"]), TypeError, "`X` must hold real numbers"),
        (np.array([[1j, 2j]]), TypeError, "`X` must hold real numbers"),
        ([[object()], [None]], TypeError, "`X` must hold real numbers"),
        (np.zeros(5), ValueError, r"got shape \(5,\). One-dimensional data go in as `X.reshape"),
        (np.zeros((2, 2, 2)), ValueError, r"must have shape \(n_samples, dim\)"),
        (np.zeros((1, 3)), ValueError, "at least 2 rows; got 1"),
        (np.zeros((3, 0)), ValueError, "at least one column"),
        ([[0.0, np.nan], [np.inf, 1.0]], ValueError, "got nan in row 0, column 1 .* 2 such"),
    ],
)
def test_bad_samples_are_refused(samples: object, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        check_samples(samples)


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint8, bool, np.float16])
def test_other_numbers_are_converted_not_misread(dtype: type) -> None:
    given = np.array([[0, 1], [1, 0]], dtype=dtype)
    assert np.array_equal(check_samples(given), [[0.0, 1.0], [1.0, 0.0]])
    assert check_samples(given).dtype == np.float64


def test_layout_and_flags_do_not_matter() -> None:
    values = np.arange(12.0).reshape(4, 3)
    fortran = np.asfortranarray(values)
    strided = np.arange(24.0).reshape(4, 6)[:, ::2]
    values.flags.writeable = False
    for given in (values, fortran, strided):
        checked = check_samples(given)
        assert checked.flags.c_contiguous
        assert np.array_equal(checked, given)


@pytest.mark.parametrize("value", [3, 3.0, np.int64(3), np.float32(3)])
def test_whole_numbers_are_integers(value: object) -> None:
    checked = check_integer("k", value, minimum=1, maximum=3)
    assert type(checked) is int
    assert checked == 3


@pytest.mark.parametrize(
    ("value", "kind"),
    [(2.5, ValueError), (0, ValueError), (4, ValueError), (True, TypeError), ("3", TypeError)],
)
def test_other_values_are_no_integers(value: object, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"`k` must be an integer in \[1, 3\]; got"):
        check_integer("k", value, minimum=1, maximum=3)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(0.0, ValueError), (-1, ValueError), (np.nan, ValueError), (np.inf, ValueError)]
    + [(True, TypeError), ("1", TypeError), (None, TypeError)],
)
def test_sigma_is_positive(value: object, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="`sigma` must be a finite number > 0; got"):
        check_positive("sigma", value)


def test_choices_and_names_are_listed() -> None:
    with pytest.raises(ValueError, match="`norm` must be one of 'l2', 'linf'; got 'l1'"):
        check_choice("norm", "l1", ["l2", "linf"])
    message = unknown_name("estimator", "kel", ["sp", "kl", "kde"])
    assert message == "unknown estimator 'kel'. Did you mean 'kl'? Known: kde, kl, sp."


def test_integers_beyond_any_float_are_refused_in_the_same_words() -> None:
    for check in (check_real, check_positive, check_not_negative, check_fraction):
        with pytest.raises(ValueError, match=r"^`x` must be a .*number.*; got 10{400}\.$"):
            check("x", 10**400)

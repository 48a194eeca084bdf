"""Numbers as text: what is printed holds, and on every processor."""

from __future__ import annotations

import math

import pytest

from entbench._text import bound_text, difference_text, value_text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (9.92e-15, "1.0e-14"),
        (4.1004e-14, "4.2e-14"),
        (4.1e-14, "4.1e-14"),
        (math.nextafter(1e-11, 1.0), "1.0e-11"),
        (5e-3, "5.0e-03"),
        (12.34, "1.3e+01"),
        (0.0, "0.0e+00"),
        (math.inf, "inf"),
    ],
)
def test_bounds_are_rounded_up(error: float, text: str) -> None:
    assert bound_text(error) == text


def test_a_printed_bound_is_one() -> None:
    for power in range(-300, 300, 7):
        for digits in (1.0, 1.23456, 4.95, 9.899, 9.901, 9.99):
            error = digits * 10.0**power
            # but for the 1e-9 by which two digits may be off as floats
            assert error * (1 - 2e-9) <= float(bound_text(error)) <= 1.11 * error


@pytest.mark.parametrize(
    ("value", "error", "confidence", "text"),
    [
        (2.708417769507307, 9.92e-15, 1.0, "2.70841776950731"),
        (-0.9164216490300128, 4.1e-14, 1.0, "-0.9164216490300"),
        (186.3171374914519, 7e-13, 1.0, "186.317137491452"),
        (5.402512345, 4.5e-3, 0.95, "5.4025"),
        (5.402512345, 0.2, 0.95, "5.40"),
        (0.026812, 2.5e-3, 1.0, "0.0268"),  # a proved bound: 0.03 would be farther off
        (5.402512345, 300.0, 1.0, "5"),
        (0.5, 0.0, 1.0, "0.50000000000000"),
    ],
)
def test_values_have_the_digits_that_their_error_leaves(
    value: float, error: float, confidence: float, text: str
) -> None:
    assert value_text(value, error, confidence) == text


def test_a_difference_within_rounding_is_no_number() -> None:
    assert difference_text(4.4e-16, 4.1004e-14) == "at most 4.2e-14"
    assert difference_text(0.0, 4.1004e-14) == "at most 4.2e-14"
    assert difference_text(5.04e-14, 4.1004e-14) == "5.0e-14"
    assert difference_text(1.2e-3, 5e-3, 0.95) == "1.2e-03"  # chance, which the seed fixes

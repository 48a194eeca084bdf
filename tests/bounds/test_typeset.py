r"""Typeset formulas in the docstrings of bounds are read, evaluated and held against the code.

What is read is the small part of LaTeX that docstrings use: fractions, roots, powers, brackets,
functions, `\sum`, `\min_{k \geq 2}` and the like, and `E` for a mean over Z.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from matplotlib.mathtext import MathTextParser
from scipy.special import binom, entr, ndtr, ndtri
from scipy.stats import poisson

from entbench import bounds

BLOCK = re.compile(r"\.\. math::\n\n((?:    .*\n?)+)")
TOKEN = re.compile(r"\\[A-Za-z]+|\\.|_\+|\d+(?:\.\d+)?|\S")
RELATIONS = {r"\leq", r"\geq", r"\approx", r"\sim", "=", "<", ">"}
OPEN, CLOSE = {"(", "[", "{", r"\lfloor"}, {")", "]", "}", r"\rfloor"}
Scope = dict[str, Any]


def formulas(name: str) -> list[str]:
    doc = inspect.getdoc(getattr(bounds, name)) or ""
    return [" ".join(block.split()) for block in BLOCK.findall(doc)]


def split(tokens: list[str], at: set[str]) -> Iterator[list[str]]:
    """Yield what lies between the tokens in `at` that are inside no bracket."""
    depth, part = 0, []
    for token in tokens:
        depth += (token in OPEN) - (token in CLOSE)
        if depth == 0 and token in at:
            yield part
            part = []
        else:
            part.append(token)
    yield part


def statements(name: str, words: dict[str, str]) -> list[list[list[str]]]:
    """Return the sides of every statement; `words` says what to read in place of some words."""
    found = []
    for text in formulas(name):
        for old, new in words.items():
            text = text.replace(old, new)
        for statement in text.split(r"\quad"):
            tokens = TOKEN.findall(statement.rstrip(" ,"))
            tokens = [token for token in tokens if token not in (r"\left", r"\right")]
            found.append(list(split(tokens, RELATIONS)))
    return found


class Reader:
    """Evaluates an expression as it reads it."""

    def __init__(self, tokens: list[str], scope: Scope) -> None:
        self.tokens, self.scope, self.at = tokens, scope, 0

    def next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def inside(self) -> list[str]:
        """Take a bracket and return the tokens in it; or a single token."""
        depth, start = 0, self.at
        while True:
            token = self.take()
            depth += (token in OPEN) - (token in CLOSE)
            if depth == 0:
                break
        found = self.tokens[start : self.at]
        return found[1:-1] if found[0] in OPEN else found

    def read(self, tokens: list[str], **values: Any) -> Any:
        reader = Reader(tokens, {**self.scope, **values})
        value = reader.sum()
        assert reader.at == len(tokens), (tokens, reader.at)
        return value

    def sum(self) -> Any:
        sign = -1.0 if self.next() == "-" else 1.0
        self.at += self.next() == "-"
        value = sign * self.product()
        while self.next() in ("+", "-"):
            value = value + (1.0 if self.take() == "+" else -1.0) * self.product()
        return value

    def product(self) -> Any:
        value = self.factor()
        while self.next() and self.next() not in {"+", "-", ","} | CLOSE:
            if self.next() == "/":
                self.take()
                value = value / self.factor()
            else:
                value = value * self.factor()
        return value

    def rest(self) -> list[str]:
        """Take what is left of a product."""
        (part, *_) = split(self.tokens[self.at :], {"+", "-"})
        self.at += len(part)
        return part

    def factor(self) -> Any:
        value = self.base()
        if self.next() == "^":
            self.take()
            value = value ** self.read(self.inside())
        return value

    def base(self) -> Any:
        token = self.next()
        if token in OPEN:
            return self.bracket()
        self.take()
        if token in PREFIX:
            return PREFIX[token](self)
        return float(token) if token[0].isdigit() else self.symbol(token)

    def bracket(self) -> Any:
        floor = self.next() == r"\lfloor"
        value = self.read(self.inside())
        if self.next() == "_+":
            self.take()
            return np.maximum(value, 0.0)
        return np.floor(value) if floor else value

    def subscript(self) -> list[str]:
        assert self.take() == "_"
        return self.inside()

    def symbol(self, name: str) -> Any:
        if self.next() == "_":
            name += "_" + "".join(self.subscript())
        if name == "Q" and self.tokens[self.at : self.at + 2] == ["^", "{"]:
            self.take()
            assert self.inside() == ["-", "1"]
            name = "Q^{-1}"
        value = self.scope[name]
        if isinstance(value, Definition):
            return self.read(value.tokens)
        if callable(value) and self.next() == "(":
            return value(*self.arguments())
        return value(self.scope) if callable(value) else value

    def arguments(self) -> list[Any]:
        return [self.read(part) for part in split(self.inside(), {","})]

    def extreme(self, of: Callable[[Any], Any], pair: Callable[[Any, Any], Any]) -> Any:
        if self.next() != "_":
            first, second = self.arguments()
            return pair(first, second)
        variable = self.subscript()[0]
        values, body = self.scope[f"all {variable}"], self.rest()
        return of([of(self.read(body, **{variable: value})) for value in values])

    def function(self, of: Callable[[Any], Any]) -> Any:
        return of(self.bracket() if self.next() == "(" else self.factor())

    def total(self) -> Any:
        variable, _, *first = self.subscript()
        self.take()
        start, end = self.read(first), self.read(self.inside())
        body = self.rest()
        return sum(self.read(body, **{variable: v}) for v in np.arange(start, end + 1.0))

    def mean(self) -> Any:
        nodes, weights = np.polynomial.hermite_e.hermegauss(120)
        values = self.read(self.rest(), Z=self.scope[r"\sigma"] * nodes)
        return weights @ values / weights.sum()

    def fraction(self, of: Callable[[Any, Any], Any]) -> Any:
        above = self.read(self.inside())
        return of(above, self.read(self.inside()))


@dataclass(frozen=True)
class Definition:
    """What a symbol stands for, which is evaluated where it is used."""

    tokens: list[str]


PREFIX: dict[str, Callable[[Reader], Any]] = {
    r"\frac": lambda reader: reader.fraction(lambda a, b: a / b),
    r"\binom": lambda reader: reader.fraction(binom),
    r"\sqrt": lambda reader: np.sqrt(reader.read(reader.inside())),
    r"\log": lambda reader: reader.function(np.log),
    r"\exp": lambda reader: reader.function(np.exp),
    r"\min": lambda reader: reader.extreme(np.min, min),
    r"\max": lambda reader: reader.extreme(np.max, max),
    r"\sum": Reader.total,
    "E": Reader.mean,
}


def upper_tail(x: Any) -> Any:
    return ndtr(-x)


def coin(p: Any) -> Any:
    return entr(p) + entr(1.0 - p)


def psi(x: Any) -> Any:
    return np.where(x < 1.0 / math.e, entr(x), 1.0 / math.e)


def normal_density(x: Any) -> Any:
    return np.exp(-0.5 * x**2) / math.sqrt(2.0 * math.pi)


def count_entropy(n: int) -> Callable[[float], float]:
    """Return E H of the counts of n draws from m values, by its definition."""

    def of(m: float) -> float:
        c = np.arange(1.0, n + 1.0)
        return float(m * (binom(n, c) * m**-c * (1.0 - 1.0 / m) ** (n - c) * entr(c / n)).sum())

    return of


def straight_line_rest(mean: float) -> float:
    """Return the least mean square of c log c - a - b c over a and b, c ~ Poisson(mean)."""
    c = np.arange(0.0, 200.0)
    weights = np.sqrt(poisson.pmf(c, mean))
    lines = np.stack([weights, weights * c], axis=1)
    values = -weights * entr(c)
    best = np.linalg.lstsq(lines, values, rcond=None)[0]
    return float(((values - lines @ best) ** 2).sum())


GIVEN: Scope = {
    r"\pi": math.pi,
    "e": math.e,
    "Q": upper_tail,
    "Q^{-1}": lambda p: -ndtri(p),
    "H_b": coin,
    r"\psi": psi,
    r"\varphi": normal_density,
}
WHOLE = [float(k) for k in range(2, 60)]
SPACING: Scope = {r"\delta_ij": lambda scope: 2.0 * (scope["j"] - scope["i"]) / (scope["k"] - 1)}


@dataclass(frozen=True)
class Case:
    """A call, the values of the formula's symbols, and the sides that it has to equal."""

    call: tuple[Any, ...]
    scope: Scope
    sides: tuple[tuple[int, int], ...] = ((0, -1),)
    options: dict[str, Any] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    near: float = 1e-10


def setting(n: int, d: int, sigma: float, **more: Any) -> Case:
    """Return a case whose function takes n, dim and sigma, then values of `more` by name."""
    return Case((n, d, sigma, *more.values()), {"n": n, "d": d, r"\sigma": sigma, **more})


def law(d: int, sigma: float, K: float) -> Case:
    return Case((d, sigma, K), {"d": d, r"\sigma": sigma, "K": K})


CHANNEL: Scope = {"d": 4, r"\sigma": 0.3}
PAM: Scope = {"I_1": np.vectorize(lambda k: bounds.pam_information(int(k), 0.3)), "all k": WHOLE}
HIDDEN: Scope = {"H": lambda k: math.log(k) - bounds.pam_information(int(k), 0.3)}
# finely enough that the best lies within 1e-7 of one of them
REACH = [0.3 * np.geomspace(0.05, 60.0, 200_001)]

CASES: dict[str, list[Case]] = {
    "binary_entropy": [Case((p,), {"p": p}) for p in (0.1, 0.7)],
    "count_entropy_deviation": [
        Case(
            (50, math.log(20)),
            {"n": 50, "m": 20, "R": straight_line_rest(2.5)},
            ((0, 0),),
            words={r"\min_{a, b} E (c \log c - a - b c)^2": "R"},
        )
    ],
    "cross_entropy_deviation": [
        Case((d, sigma), {"d": d, r"\sigma": sigma, "all k": WHOLE})
        for d, sigma in ((3, 0.1), (4, 0.5), (2, 3.0))
    ],
    "cube_chi_square_information": [Case((4, 0.3), CHANNEL)],
    "cube_l1_bound": [setting(70, 4, 0.3)],
    "cube_subgaussian_constant": [Case((4,), CHANNEL, ((1, 1),))],
    "fano_bias_bound": [
        Case((50, math.log(90), 0.1), {"n": 50, "m": 90, r"\epsilon": 0.1}),
    ],
    "gaussian_chi_square_information": [law(3, 0.4, 0.7)],
    "information_risk_bound": [
        Case((100, 4, 0.3, 0.25), {**CHANNEL, "n": 100, r"\Delta": 0.25}),
    ],
    "is_vacuous": [Case((b, 4, 0.3), {**CHANNEL, "b": b}, ((0, 0), (0, 1))) for b in (4.9, 5.1)],
    "kl_shift_bound": [
        Case(
            (divergence,),
            {"D": divergence},
            options={"capacity": 3.0},
        )
        for divergence in (0.3, 1.5, 2.5)
    ],
    "kl_shift_printed": [Case((0.3, 12), {"D": 0.3, "N": 12})],
    "minimax_risk_bound": [
        Case(
            (7, 4, 0.3),
            {**CHANNEL, **HIDDEN, "n": 7, "all k": WHOLE[:20], "all j": [np.arange(1.0, 4e5)]},
            near=1e-9,  # 2e-11 nats are taken off some 0.1 for the quadrature
        )
    ],
    "monte_carlo_mse_bound": [Case((30, 7, 4), {"n": 30, "n_MC": 7, "d": 4})],
    "monte_carlo_mse_control_variate": [
        Case(
            (30, 7, 4, 0.3, 0.05),
            {**CHANNEL, "n": 30, "n_MC": 7, "m": 0.05},
            ((0, 1),),
            words={r"\mathrm{mmse}(C | C+Z)": "m"},
        ),
        Case((30, 7, 4, 0.3), {**CHANNEL, "n": 30, "n_MC": 7}),
    ],
    "monte_carlo_mse_theorem_7": [Case((30, 7, 4, 0.3), {**CHANNEL, "n": 30, "n_MC": 7})],
    "monte_carlo_mse_theorem_7_moment": [
        Case((30, 7, 4, 0.3, 1.7), {**CHANNEL, "n": 30, "n_MC": 7, "M": 1.7})
    ],
    "pam_information": [
        Case((k, 0.7), {"k": k, r"\sigma": 0.7, **SPACING}, near=1e-8) for k in (2, 5)
    ],
    "peak_limited_capacity_bounds": [
        Case((0.3,), {**CHANNEL, **PAM}, ((0, 0), (0, 2))),
        Case(
            (2.0,),
            {
                r"\sigma": 2.0,
                "I_1": lambda k: bounds.pam_information(int(k), 2.0),
                "all k": WHOLE[:4],
            },
            ((0, 0), (0, 2)),
        ),
    ],
    "plug_in_bias_bounds": [
        Case((n, 3.0, 40.0), {"n": n, "I": 3.0, r"I_\chi^2": 40.0}, ((0, 0), (0, 2)))
        for n in (1, 10, 1000)
    ],
    "plug_in_concentration": [
        Case((n, diameter), {"n": n, "D": diameter})
        for n in (1, 10, 1000)
        for diameter in (1.5, 9.0)
    ],
    "plug_in_risk_bound": [
        Case(
            (70, 4, 0.3),
            {**CHANNEL, "n": 70, "V": bounds.cross_entropy_deviation(4, 0.3) ** 2},
        )
    ],
    "plug_in_risk_theorem_4": [
        Case((n, 4, 0.3), {**CHANNEL, "n": n, "all r": REACH}, near=1e-6) for n in (100, 10**8)
    ],
    "plug_in_risk_theorem_4_printed": [
        Case(
            (10**5, 4, 0.3, 0.2, tail),
            {**CHANNEL, "n": 10**5, r"\epsilon": 0.2, r"\tau": factor},
        )
        for tail, factor in (("2/n", 2e-5), ("none", 0.0), ("sqrt(2/n)", math.sqrt(2e-5)))
    ],
    "plug_in_risk_theorem_5": [setting(10**5, 4, 0.3, K=0.8)],
    "power_limited_capacity": [Case((4, 0.3, 2.0), {**CHANNEL, "P": 2.0})],
    "smoothed_kl_bound": [Case((50, 8.0), {"n": 50, r"I_\chi^2": 8.0})],
    "smoothed_wasserstein_2_exponent": [Case((0.4, 0.7), {r"\sigma": 0.4, "K": 0.7})],
    "subgaussian_bias_bound": [setting(50, 3, 0.7, K=0.3)],
    "subgaussian_chi_square_information": [law(3, 0.7, 0.3)],
    "subgaussian_l1_bound": [setting(50, 3, 0.4, K=0.7)],
    "subgaussian_risk_bound": [setting(50, 3, 0.4, K=0.7)],
    "subgaussian_wasserstein_bound": [setting(50, 3, 0.4, K=0.7)],
    "theorem_2_exponent_bounds": [
        Case(
            (0.3,),
            {r"\sigma": 0.3, "C": np.array(bounds.peak_limited_capacity_bounds(0.3))},
            ((1, 1),),
        )
    ],
    "theorem_3_gap": [Case((4, 0.3), CHANNEL)],
    "theorem_3_log_rate": [
        Case(
            (4, 0.3, 0.02),
            {**CHANNEL, r"\eta": 0.02, r"\delta_2": bounds.theorem_3_gap(4, 0.3)},
        )
    ],
    "theorem_6_bias_bound": [
        Case(
            (20, 4, 0.1, 0.2),
            {"n": 20, "d": 4, r"\epsilon": 0.2, "k_*": bounds.theorem_6_cells(4, 0.1, 0.2)},
        )
    ],
    "theorem_6_cells": [
        Case((d, 0.1, epsilon), {"d": d, r"\sigma": 0.1, r"\epsilon": epsilon})
        for d, epsilon in ((4, 0.2), (1, 0.9), (11, 0.01))
    ],
    "theorem_6_log_samples": [
        Case(
            (0.5, 4, 0.1, 0.2),
            {
                r"\delta": 0.5,
                "d": 4,
                r"\epsilon": 0.2,
                "k_*": bounds.theorem_6_cells(4, 0.1, 0.2),
            },
        )
    ],
    "theorem_6_smallest_epsilon": [Case((4, 0.3), CHANNEL)],
    "theorem_6_witness": [Case((5,), {"k": 5, "j": np.arange(1.0, 6.0)}, ((0, 1),))],
    "trivial_range": [Case((4, 0.3), CHANNEL)],
    "tv_shift_bound": [
        Case((delta, 12, c), {r"\delta": delta, "N": 12, "c": c})
        for delta, c in ((0.2, 9.0), (0.2, 1.0), (0.95, 9.0))
    ],
    "tv_shift_printed": [Case((0.3, 12), {"t": 0.3, "N": 12})],
    "two_point_risk_bound": [
        Case(
            (7, 4, 0.3, 4, points),
            {**CHANNEL, **HIDDEN, "n": 7, "k": 4.0, "j": points},
        )
        for points in (5, 40, 255)
    ],
    "uniform_values_bias_bound": [
        Case(
            (12, information, math.log(30)),
            {"n": 12, "m": 30.0, "I": information},
            words={"E H_n(m)": "G"},
        )
        for information in (3.2, 1.0)
    ],
    "wasserstein_entropy_shift": [
        Case((0.07, 4, 0.3), {**CHANNEL, "W": 0.07}, words={r"W_1(P_S, P_{S'})": "W"})
    ],
    "wasserstein_shift_bound": [
        Case(
            (0.07, 4, 0.3, 1.7),
            {**CHANNEL, "W": 0.07, "L": 1.7},
            words={r"W_1(P_X, P_{X'})": "W"},
        )
    ],
    "worst_case_bias_bound": [
        Case(
            (6, 4, 0.3),
            {**CHANNEL, **PAM, "G": count_entropy(6), "all k": WHOLE[:20]},
            words={"E H_n": "G"},
        )
    ],
}


def evaluate(name: str, case: Case) -> list[Any]:
    found = statements(name, case.words)
    defined = {"".join(sides[0]): Definition(sides[1]) for sides in found if len(sides) == 2}
    scope = {**defined, **GIVEN, **case.scope}
    return [Reader(found[which][side], scope).sum() for which, side in case.sides]


@pytest.mark.parametrize(
    ("name", "case"),
    [pytest.param(name, case, id=name) for name in CASES for case in CASES[name]],
)
def test_a_typeset_formula_is_what_is_computed(name: str, case: Case) -> None:
    values = evaluate(name, case)
    found = getattr(bounds, name)(*case.call, **case.options)
    if name == "is_vacuous":
        assert found == (values[0] > values[1])
    elif name == "kl_shift_bound":
        assert found == pytest.approx(bounds.tv_shift_bound(values[0], **case.options), rel=1e-12)
    else:
        assert np.ravel(values) == pytest.approx(np.ravel(found), rel=case.near)


def test_every_bound_has_its_formula_and_each_is_evaluated() -> None:
    # what reads the catalogue is no bound
    catalogue = {"THEOREMS", "moment_norm", "range_of", "says_nothing", "theorems_of"}
    assert set(CASES) == set(bounds.__all__) - catalogue
    assert [name for name in CASES if not formulas(name)] == []


@pytest.mark.parametrize("name", bounds.__all__)
def test_formulas_can_be_typeset(name: str) -> None:
    parser = MathTextParser("path")
    for text in formulas(name):
        parser.parse(f"${text}$")


def test_a_formula_that_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader does read: a sign, a factor or an exponent more makes a difference."""
    name, text = "subgaussian_l1_bound", formulas("subgaussian_l1_bound")[0]
    (case,) = CASES[name]
    right = evaluate(name, case)[0]
    for old, new in (("+", "+ 2"), ("3 d", "2 d"), ("^{d/2}", "^{d}"), (r"\sqrt{2}", "2")):
        wrong = text.replace(old, new)
        monkeypatch.setitem(globals(), "formulas", lambda name, wrong=wrong: [wrong])
        assert evaluate(name, case)[0] != pytest.approx(right, rel=1e-3)

"""One leaf's kernels for one or four queries at once, as explicit vector code.

numba's loops are vectorised by LLVM as it sees fit: with short vectors, and never keeping several
sums in registers across two loops. These functions say what is wanted, in vectors of 512 bits,
which LLVM splits where a processor has shorter ones.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils as _untyped
from numba.extending import intrinsic

cgutils: Any = _untyped

GROUP = 4
_BITS = 512
_DEGREE_SINGLE = 5
_DEGREE_DOUBLE = 12


def exp2_coefficients(degree: int) -> tuple[float, ...]:
    """Return the polynomial for 2^f on [-1/2, 1/2], lowest power first (Chebyshev fit)."""
    nodes = np.cos(np.pi * (np.arange(200) + 0.5) / 200)
    fit = np.polynomial.chebyshev.chebfit(nodes, 2.0 ** (nodes / 2), degree)
    coefficients = np.polynomial.chebyshev.cheb2poly(fit) * 2.0 ** np.arange(degree + 1)
    coefficients[0] = 1.0
    return tuple(float(c) for c in coefficients)


SINGLE = exp2_coefficients(_DEGREE_SINGLE)
DOUBLE = tuple(math.log(2.0) ** i / math.factorial(i) for i in range(_DEGREE_DOUBLE + 1))


class _Vectors:
    """Vector types and operations of one precision."""

    def __init__(self, context: Any, builder: Any, scalar: Any) -> None:
        self.builder = builder
        self.bits = scalar.bitwidth
        self.lanes = _BITS // self.bits
        self.scalar = context.get_value_type(scalar)
        self.vector = ir.VectorType(self.scalar, self.lanes)
        self.whole = ir.VectorType(ir.IntType(self.bits), self.lanes)

    def call(self, name: str, *arguments: Any) -> Any:
        """Call an LLVM intrinsic of this vector type."""
        kind = ir.FunctionType(self.vector, [self.vector] * len(arguments))
        full = f"llvm.{name}.v{self.lanes}f{self.bits}"
        function = cgutils.get_or_insert_function(self.builder.module, kind, full)
        return self.builder.call(function, arguments)

    def constant(self, value: float) -> Any:
        """Return a vector of equal numbers."""
        return ir.Constant(self.vector, [value] * self.lanes)

    def spread(self, value: Any) -> Any:
        """Return a vector that repeats a scalar."""
        none, index = ir.Constant(self.vector, ir.Undefined), ir.IntType(32)
        first = self.builder.insert_element(none, value, ir.Constant(index, 0))
        zeros = ir.Constant(ir.VectorType(index, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, none, zeros)

    def load(self, pointer: Any) -> Any:
        """Return the vector at a pointer to scalars."""
        value = self.builder.load(self.builder.bitcast(pointer, self.vector.as_pointer()))
        value.align = self.bits // 8
        return value

    def variable(self, value: Any) -> Any:
        """Return a place that holds a vector; LLVM makes it a register."""
        place = cgutils.alloca_once(self.builder, self.vector)
        self.builder.store(value, place)
        return place

    def exp2(self, x: Any) -> Any:
        """Return 2^x, held between the smallest normal numbers and the largest."""
        builder = self.builder
        single = self.bits == 32
        low, high, digits = (-125.0, 127.0, 23) if single else (-1021.0, 1023.0, 52)
        x = self.call("minnum", self.call("maxnum", x, self.constant(low)), self.constant(high))
        # not by adding and subtracting a large number: fast-math would fold that away
        nearest = self.call("rint", x)
        rest = builder.fsub(x, nearest)
        highest, *lower = reversed(SINGLE if single else DOUBLE)
        power = self.constant(highest)
        for coefficient in lower:
            power = self.call("fma", rest, power, self.constant(coefficient))
        shift = ir.Constant(self.whole, [digits] * self.lanes)
        exponent = builder.shl(builder.fptosi(nearest, self.whole), shift)
        return builder.bitcast(
            builder.add(builder.bitcast(power, self.whole), exponent), self.vector
        )

    def total(self, vector: Any) -> Any:
        """Return the sum of a vector's numbers."""
        kind = ir.FunctionType(self.scalar, [self.scalar, self.vector])
        name = f"llvm.vector.reduce.fadd.v{self.lanes}f{self.bits}"
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        zero = ir.Constant(self.scalar, 0.0)
        return self.builder.call(function, [zero, vector], fastmath=("reassoc",))


class _LeafSum:
    """Writes the loops over the centres of one leaf, for some queries at once."""

    def __init__(self, vectors: _Vectors, context: Any, queries: int) -> None:
        self.vectors = vectors
        self.builder = vectors.builder
        self.index = context.get_value_type(types.intp)
        self.queries = range(queries)

    def number(self, value: int) -> Any:
        """Return an index constant."""
        return ir.Constant(self.index, value)

    def at(self, pointer: Any, *steps: Any) -> Any:
        """Return a pointer some indices further."""
        for step in steps:
            pointer = self.builder.gep(pointer, [step])
        return pointer

    def emit(self, local: Any, dim: Any, block: Any, width: Any, offsets: Any, out: Any) -> None:
        """Write ``sum_k 2^(offset - |query - centre_k|^2 - bias_k)`` for each query to `out`."""
        vectors, builder = self.vectors, self.builder
        totals = [vectors.variable(vectors.constant(0.0)) for _ in self.queries]
        spread = [
            vectors.spread(builder.load(self.at(offsets, self.number(q)))) for q in self.queries
        ]
        # two vectors at once for several queries, four for one: as many sums as there is room for
        together = 4 if len(self.queries) == 1 else 2
        step = self.number(together * vectors.lanes)
        rounds = builder.udiv(width, step)
        done = builder.mul(rounds, step)
        left = builder.udiv(builder.sub(width, done), self.number(vectors.lanes))
        given = (local, dim, block, width)
        with cgutils.for_range(builder, rounds) as loop:
            self._step(given, builder.mul(loop.index, step), together, spread, totals)
        with cgutils.for_range(builder, left) as loop:
            first = builder.add(done, builder.mul(loop.index, self.number(vectors.lanes)))
            self._step(given, first, 1, spread, totals)
        for q in self.queries:
            builder.store(vectors.total(builder.load(totals[q])), self.at(out, self.number(q)))

    def _step(self, given: Any, first: Any, count: int, offsets: Any, totals: Any) -> None:
        """Add the kernels of `count` vectors of centres."""
        local, dim, block, width = given
        vectors, builder = self.vectors, self.builder
        lanes = [self.number(i * vectors.lanes) for i in range(count)]
        bias = self.at(block, builder.mul(dim, width), first)
        starts = [vectors.load(self.at(bias, lane)) for lane in lanes]
        distances = [[vectors.variable(start) for start in starts] for _ in self.queries]
        with cgutils.for_range(builder, dim) as loop:
            row = self.at(block, builder.mul(loop.index, width), first)
            columns = [vectors.load(self.at(row, lane)) for lane in lanes]
            for q in self.queries:
                own = self.at(local, builder.mul(dim, self.number(q)), loop.index)
                query = vectors.spread(builder.load(own))
                for column, distance in zip(columns, distances[q], strict=True):
                    difference = builder.fsub(query, column)
                    so_far = builder.load(distance)
                    builder.store(vectors.call("fma", difference, difference, so_far), distance)
        for q in self.queries:
            for distance in distances[q]:
                term = vectors.exp2(builder.fsub(offsets[q], builder.load(distance)))
                builder.store(builder.fadd(builder.load(totals[q]), term), totals[q])


def _leaf_sum(queries: int) -> Any:
    """Return a function for compiled code that sums the kernels of a leaf for some queries.

    It takes the queries' coordinates relative to the leaf's middle (at least `queries`, dim), the
    blocks, the index of the leaf's block and its width, an offset a query, and where to write.
    Sums that would overflow come out very large, or infinite.
    """

    @intrinsic
    def leaf_sum(
        typing_context: Any,
        local: Any,
        values: Any,
        first: Any,
        width: Any,
        offsets: Any,
        out: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            def opened(i: int) -> Any:
                kind = context.make_array(signature.args[i])
                return kind(context, builder, arguments[i])

            dim = cgutils.unpack_tuple(builder, opened(0).shape)[-1]
            block = builder.gep(opened(1).data, [arguments[2]])
            loops = _LeafSum(_Vectors(context, builder, values.dtype), context, queries)
            loops.emit(opened(0).data, dim, block, arguments[3], opened(4).data, opened(5).data)
            return context.get_dummy_value()

        return types.void(local, values, types.intp, types.intp, offsets, out), generate

    return leaf_sum


sum_for_one = _leaf_sum(1)
sum_for_group = _leaf_sum(GROUP)

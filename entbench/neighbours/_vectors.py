"""One tile against eight queries in single precision, as explicit vector code.

numba's loops would keep no sums in registers across axes, nor turn comparisons into bits. A product
and a sum a pair and axis, and a comparison a pair: there is little else here.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils as _untyped
from numba.extending import intrinsic

cgutils: Any = _untyped

# Points in a tile: as many as an integer has bits.
LANES = 64
# Queries screened together.
GROUP = 8
_WIDTH = 16
# Vectors of points at once: with eight queries, 16 of 32 registers hold sums.
_TOGETHER = 2

_WORD = ir.IntType(64)
_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, _WIDTH)


def _spread(builder: Any, kind: Any, value: Any) -> Any:
    """Return a vector of that kind that repeats a number."""
    none, index = ir.Constant(kind, ir.Undefined), ir.IntType(32)
    first = builder.insert_element(none, value, ir.Constant(index, 0))
    zeros = ir.Constant(ir.VectorType(index, kind.count), [0] * kind.count)
    return builder.shuffle_vector(first, none, zeros)


class _Screen:
    """Writes the loops over the axes of one tile."""

    def __init__(self, builder: Any, largest: bool, bounds: int) -> None:
        self.builder = builder
        self.largest = largest
        self.bounds = range(bounds)

    def call(self, name: str, *arguments: Any) -> Any:
        """Call an LLVM intrinsic on vectors."""
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * len(arguments))
        full = f"llvm.{name}.v{_WIDTH}f32"
        return self.builder.call(
            cgutils.get_or_insert_function(self.builder.module, kind, full), arguments
        )

    def load(self, start: Any, offset: Any) -> Any:
        """Return the vector that begins some numbers behind a pointer."""
        place = self.builder.gep(start, [offset])
        value = self.builder.load(self.builder.bitcast(place, _VECTOR.as_pointer()))
        value.align = 4
        return value

    def spread(self, value: Any) -> Any:
        """Return a vector that repeats a number."""
        return _spread(self.builder, _VECTOR, value)

    def add_axis(self, total: Any, column: Any, query: Any) -> Any:
        """Return the scores with one more axis."""
        if not self.largest:
            return self.call("fma", column, query, total)
        apart = self.call("fabs", self.builder.fadd(column, query))
        farther = self.builder.fcmp_ordered(">", apart, total)
        return self.builder.select(farther, apart, total)

    def scores(self, tile: Any, dim: Any, local: Any, first: int) -> list[list[Any]]:
        """Return the scores of some points of the tile, from `first` on, for each query."""
        builder = self.builder
        offsets = [ir.Constant(_WORD, first + _WIDTH * v) for v in range(_TOGETHER)]
        behind = builder.gep(tile, [builder.mul(dim, ir.Constant(_WORD, LANES))])
        totals = [[cgutils.alloca_once(builder, _VECTOR) for _ in offsets] for _ in range(GROUP)]
        for row in totals:
            for place, offset in zip(row, offsets, strict=True):
                builder.store(self.load(behind, offset), place)
        with cgutils.for_range(builder, dim) as loop:
            axis = builder.gep(tile, [builder.mul(loop.index, ir.Constant(_WORD, LANES))])
            own = builder.gep(local, [builder.mul(loop.index, ir.Constant(_WORD, GROUP))])
            columns = [self.load(axis, offset) for offset in offsets]
            for q, row in enumerate(totals):
                query = self.spread(builder.load(builder.gep(own, [ir.Constant(_WORD, q)])))
                for place, column in zip(row, columns, strict=True):
                    builder.store(self.add_axis(builder.load(place), column, query), place)
        return [[builder.load(place) for place in row] for row in totals]

    def emit(self, tile: Any, dim: Any, local: Any, limits: Any, masks: Any) -> Any:
        """Write the bits for each limit; return those for the first limits of all queries."""
        builder = self.builder
        words = [[ir.Constant(_WORD, 0) for _ in range(GROUP)] for _ in self.bounds]
        for first in range(0, LANES, _WIDTH * _TOGETHER):
            for q, row in enumerate(self.scores(tile, dim, local, first)):
                for bound in self.bounds:
                    place = builder.gep(limits, [ir.Constant(_WORD, bound * GROUP + q)])
                    bits = self.bits_below(row, self.spread(builder.load(place)), first)
                    words[bound][q] = builder.or_(words[bound][q], bits)
        union = ir.Constant(_WORD, 0)
        for bound in self.bounds:
            for q, word in enumerate(words[bound]):
                place = builder.gep(masks, [ir.Constant(_WORD, bound * GROUP + q)])
                builder.store(word, place)
                union = builder.or_(union, word) if bound == 0 else union
        return union

    def bits_below(self, scores: list[Any], limit: Any, first: int) -> Any:
        """Return a word with a bit for each score below a limit, the first score's at `first`."""
        builder, word = self.builder, ir.Constant(_WORD, 0)
        for v, score in enumerate(scores):
            near = builder.fcmp_ordered("<", score, limit)
            bits = builder.zext(builder.bitcast(near, ir.IntType(_WIDTH)), _WORD)
            shift = ir.Constant(_WORD, first + _WIDTH * v)
            word = builder.or_(word, builder.shl(bits, shift))
        return word


def _screen(largest: bool, bounds: int) -> Any:
    """Return a function for compiled code that finds the points that may lie near eight queries.

    It takes the tiles, where one of them begins, the dimension, the negated queries relative to the
    tile's middle (dim, GROUP), limits (bounds, GROUP), and where to write as many words of bits:
    one where a point's score is below the limit. It returns the bits of all queries' first limits
    together.

    A tile holds its points' coordinates, axis by axis, and what their scores start from. A score
    is that start plus the scalar product with the negated query; or, where `largest`, the greatest
    distance along an axis, if that is above the start.
    """

    @intrinsic
    def screen(
        typing_context: Any, tiles: Any, first: Any, dim: Any, local: Any, limits: Any, masks: Any
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            def data(i: int) -> Any:
                return context.make_array(signature.args[i])(context, builder, arguments[i]).data

            tile = builder.gep(data(0), [arguments[1]])
            loops = _Screen(builder, largest, bounds)
            return loops.emit(tile, arguments[2], data(3), data(4), data(5))

        return types.int64(tiles, types.int64, types.int64, local, limits, masks), generate

    return screen


@intrinsic
def localise(
    typing_context: Any,
    points: Any,
    first: Any,
    middles: Any,
    start: Any,
    dim: Any,
    local: Any,
    squares: Any,
) -> Any:
    """Write a group of queries, negated and relative to a tile's middle, and their squared length.

    For compiled code. It takes the samples (tiles, dim, LANES) and where the group's begin, the
    middles and where the tile's begins, the dimension, and where to write (dim, GROUP) numbers in
    single precision and GROUP in double.
    """
    group = ir.VectorType(ir.DoubleType(), GROUP)
    single = ir.VectorType(_FLOAT, GROUP)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def data(i: int) -> Any:
            return context.make_array(signature.args[i])(context, builder, arguments[i]).data

        def store(value: Any, place: Any, kind: Any, align: int) -> None:
            builder.store(value, builder.bitcast(place, kind.as_pointer())).align = align

        total = cgutils.alloca_once_value(builder, ir.Constant(group, [0.0] * GROUP))
        queries = builder.gep(data(0), [arguments[1]])
        middle = builder.gep(data(2), [arguments[3]])
        with cgutils.for_range(builder, arguments[4]) as loop:
            axis = builder.gep(queries, [builder.mul(loop.index, ir.Constant(_WORD, LANES))])
            values = builder.load(builder.bitcast(axis, group.as_pointer()))
            values.align = 8
            centre = _spread(builder, group, builder.load(builder.gep(middle, [loop.index])))
            apart = builder.fsub(centre, values)
            own = builder.gep(data(5), [builder.mul(loop.index, ir.Constant(_WORD, GROUP))])
            store(builder.fptrunc(apart, single), own, single, 4)
            builder.store(builder.fadd(builder.load(total), builder.fmul(apart, apart)), total)
        store(builder.load(total), data(6), group, 8)
        return context.get_dummy_value()

    signature = types.void(points, types.int64, middles, types.int64, types.int64, local, squares)
    return signature, generate


screen_products = _screen(largest=False, bounds=1)
screen_largest = _screen(largest=True, bounds=1)
count_products = _screen(largest=False, bounds=2)
count_largest = _screen(largest=True, bounds=2)


def _of_bits(name: str, *flags: int) -> Any:
    """Return an LLVM intrinsic on words, for compiled code."""

    @intrinsic
    def operation(typing_context: Any, word: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            constants = [ir.Constant(ir.IntType(1), flag) for flag in flags]
            kind = ir.FunctionType(_WORD, [_WORD] + [ir.IntType(1)] * len(flags))
            function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.i64")
            return builder.call(function, [arguments[0], *constants])

        return types.int64(types.int64), generate

    return operation


count_bits = _of_bits("ctpop")
lowest_bit = _of_bits("cttz", 0)

"""As many numbers as a vector register holds, as one value: for loops that must run whole vectors, ends included.

LLVM makes vectors of plain loops by itself, but does what is left over at their end one number at a time, and does not
keep the sums of a matrix product in registers. Kernels that need either say ``load``, compute with ``+ - * /`` and the
functions below, which take numbers and lanes alike, and say ``store``.
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

from .baseline import settled

LANES = 16 if settled() == "x86-64-v4" else 8
"""Numbers of a vector; where registers are smaller, LLVM takes several."""

FLOAT, INT, PLACE = ir.FloatType(), ir.IntType(32), ir.IntType(64)
VECTOR = ir.VectorType(FLOAT, LANES)


class Lanes(types.Type):
    """The type of such a value."""

    def __init__(self) -> None:
        super().__init__(name=f"float32x{LANES}")


lanes = Lanes()


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    """It is a vector of LLVM's."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, VECTOR)


def common(kinds: tuple[Any, ...]) -> Any:
    """The type of what is computed from these: lanes if one is, or a number; None if neither."""
    if all(kind in (lanes, types.float32) for kind in kinds):
        return lanes if lanes in kinds else types.float32
    return None


def alike(builder: Any, kinds: tuple[Any, ...], values: Any) -> list[Any]:
    """The values, in the type they have in common."""
    several = lanes in kinds
    return [spread(builder, v) if several and kind != lanes else v for kind, v in zip(kinds, values, strict=True)]


def spread(builder: Any, number: Any) -> Any:
    """The number in every lane."""
    first = builder.insert_element(ir.Constant(ir.VectorType(number.type, LANES), ir.Undefined), number, INT(0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(INT, LANES), [0] * LANES))


def integers(kind: Any) -> Any:
    """LLVM's 32-bit integers, as many."""
    return ir.VectorType(INT, LANES) if kind == VECTOR else INT


def filled(kind: Any, value: float) -> Any:
    """LLVM's constant."""
    return ir.Constant(kind, [value] * LANES if isinstance(kind, ir.VectorType) else value)


def define(name: str) -> Callable[[Any], None]:
    """An operator between lanes, or lanes and a number, as an instruction of LLVM's."""

    def implement(which: Any) -> None:
        @type_callable(which)  # type: ignore[untyped-decorator]
        def type_of(context: Any) -> Any:
            return lambda a, b: lanes if lanes in (a, b) and common((a, b)) else None

        for kinds in ((lanes, lanes), (lanes, types.float32), (types.float32, lanes)):

            @lower_builtin(which, *kinds)  # type: ignore[untyped-decorator]
            def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                return getattr(builder, name)(*alike(builder, sig.args, args))

    return implement


for which, name in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv")):
    define(name)(which)


def function(compute: Callable[..., Any], arguments: int) -> Any:
    """A function of numbers and lanes, from what builds it: ``compute(builder, *values)``."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return compute(builder, *alike(builder, sig.args, args))

    def typed(*kinds: Any) -> Any:
        kind = common(kinds)
        return None if kind is None else (kind(*kinds), lower)

    if arguments == 1:
        return intrinsic(lambda context, x: typed(x))
    if arguments == 3:
        return intrinsic(lambda context, a, x, y: typed(a, x, y))
    return intrinsic(lambda context, a, b, x, y: typed(a, b, x, y))


def call(name: str) -> Callable[..., Any]:
    """One of LLVM's own functions."""

    def compute(builder: Any, *values: Any) -> Any:
        kind = values[0].type
        suffix = f"v{LANES}f32" if kind == VECTOR else "f32"
        return called(builder, f"llvm.{name}.{suffix}", kind, list(values))

    return compute


def _choose(builder: Any, a: Any, b: Any, x: Any, y: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", a, b), x, y)


def _power_of_two(builder: Any, n: Any) -> Any:
    whole = integers(n.type)
    biased = builder.add(builder.fptosi(n, whole), filled(whole, 127))
    return builder.bitcast(builder.shl(biased, filled(whole, 23)), n.type)


ROOT_HALF = 0x3F3504F3  # the bits of sqrt(1/2)


def _shifts(builder: Any, x: Any) -> tuple[Any, Any]:
    whole = integers(x.type)
    bits = builder.bitcast(x, whole)
    return bits, builder.ashr(builder.sub(bits, filled(whole, ROOT_HALF)), filled(whole, 23))


def _exponent(builder: Any, x: Any) -> Any:
    return builder.sitofp(_shifts(builder, x)[1], x.type)


def _mantissa(builder: Any, x: Any) -> Any:
    bits, exponent = _shifts(builder, x)
    return builder.bitcast(builder.sub(bits, builder.shl(exponent, filled(exponent.type, 23))), x.type)


floor = function(call("floor"), 1)
absolute = function(call("fabs"), 1)
fma = function(call("fma"), 3)  # fma(a, x, y): a * x + y, rounded once
choose = function(_choose, 4)  # choose(a, b, x, y): x where a < b, else y
power_of_two = function(_power_of_two, 1)  # of a whole number
exponent = function(_exponent, 1)  # of x = mantissa * 2^exponent
mantissa = function(_mantissa, 1)  # in sqrt(1/2) to sqrt(2)


def of_four(n: int) -> Any:
    """A function of lanes: those of every four that begin with the first become the four's n-th."""
    mask = ir.Constant(ir.VectorType(INT, LANES), [lane - lane % 4 + n for lane in range(LANES)])
    return function(lambda builder, x: builder.shuffle_vector(x, x, mask), 1)


@intrinsic  # type: ignore[untyped-decorator]
def load(context: Any, row: Any, at: Any) -> Any:
    """Lanes of a contiguous row from a place on, zero beyond its end."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first, left = opened(context, builder, sig, args)
        with builder.if_else(builder.icmp_signed(">=", left, PLACE(LANES))) as (whole, rest):
            with whole:
                plain, from_whole = builder.load(first, align=4), builder.block
            with rest:
                given = [first, INT(4), within(builder, left), filled(VECTOR, 0.0)]
                some = called(builder, f"llvm.masked.load.v{LANES}f32.p0v{LANES}f32", VECTOR, given)
                from_rest = builder.block
        either = builder.phi(VECTOR)
        either.add_incoming(plain, from_whole)
        either.add_incoming(some, from_rest)
        return either

    return lanes(row, types.intp), lower


@intrinsic  # type: ignore[untyped-decorator]
def load_whole(context: Any, row: Any, at: Any) -> Any:
    """``load`` where the row is known to go on long enough."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first, _ = opened(context, builder, sig, args)
        return builder.load(first, align=4)

    return lanes(row, types.intp), lower


@intrinsic  # type: ignore[untyped-decorator]
def store(context: Any, row: Any, at: Any, value: Any) -> Any:
    """Put lanes into a contiguous row from a place on, up to its end."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first, left = opened(context, builder, sig, args)
        with builder.if_else(builder.icmp_signed(">=", left, PLACE(LANES))) as (whole, rest):
            with whole:
                builder.store(args[2], first, align=4)
            with rest:
                given = [args[2], first, INT(4), within(builder, left)]
                called(builder, f"llvm.masked.store.v{LANES}f32.p0v{LANES}f32", ir.VoidType(), given)
        return context.get_dummy_value()

    return types.void(row, types.intp, lanes), lower


@intrinsic  # type: ignore[untyped-decorator]
def nothing(context: Any) -> Any:
    """Zero in every lane."""
    return lanes(), lambda context, builder, sig, args: filled(VECTOR, 0.0)


def opened(context: Any, builder: Any, sig: Any, args: Any) -> tuple[Any, Any]:
    """The array's lanes from the place on, and how many numbers are left there."""
    assert sig.args[0].ndim == 1 and sig.args[0].layout == "C"
    array = context.make_array(sig.args[0])(context, builder, args[0])
    first = builder.bitcast(builder.gep(array.data, [args[1]]), VECTOR.as_pointer())
    return first, builder.sub(builder.extract_value(array.shape, 0), args[1])


def within(builder: Any, left: Any) -> Any:
    """Which lanes are of the numbers that are left, fewer than all.

    A mask where none is needed costs: a branch a number on processors that have no masks, and on others what was stored
    under one is slow to load again.
    """
    ahead = ir.Constant(ir.VectorType(INT, LANES), list(range(LANES)))
    return builder.icmp_signed("<", ahead, spread(builder, builder.trunc(left, INT)))


def called(builder: Any, name: str, gives: Any, values: list[Any]) -> Any:
    """What a function of LLVM's gives."""
    kind = ir.FunctionType(gives, [value.type for value in values])
    return builder.call(builder.module.globals.get(name) or ir.Function(builder.module, kind, name), values)

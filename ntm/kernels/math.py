"""What the fused kernels compute with: how they are compiled, and float32 functions that vectorise.

libm is called one element at a time; these polynomials (Cephes: Moshier 1989, single precision) take a number or lanes,
to two units in the last place.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, typeof
from numba.core.compiler import Compiler

from .lanes import LANES, absolute, choose, exponent, floor, mantissa, power_of_two

Floats = npt.NDArray[np.float32]

LOOSE = {"reassoc", "contract", "nsz"}
"""Sums may be reordered, products fused into them, and -0 be 0. NaN and infinity keep their meaning."""


class NoAlias(Compiler):  # type: ignore[misc]
    """Numba's compiler, told that the arrays a kernel is given do not overlap: without it loops stay scalar."""

    def define_pipelines(self) -> Any:
        self.state.flags.noalias = True
        return super().define_pipelines()


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a loop over arrays that do not overlap."""
    return njit(_nrt=False, fastmath=LOOSE, error_model="numpy", pipeline_class=NoAlias, forceinline=True)(function)


def loop(function: Callable[..., Any], counted: bool = True, loose: bool = True) -> Any:
    """Compile what Python calls; kept on disk, so that only the first process that needs it compiles.

    Numba takes what it kept for fresh while the function's own file is the same; the kernels in it come from other
    files too, so its name carries a hash of them all.

    Args:
        counted: Count references to arrays. Only a loop that makes arrays needs it, and it costs a tenth of the time.
        loose: Take the liberties of ``LOOSE``; otherwise every operation rounds as it is written.
    """
    function.__qualname__ += "-" + sources(Path(function.__code__.co_filename).parent)
    liberties = LOOSE if loose else set()
    compiled = njit(_nrt=counted, fastmath=liberties, error_model="numpy", pipeline_class=NoAlias, nogil=True)(function)
    with suppress(RuntimeError):  # no folder can be written: every process compiles
        compiled.enable_caching()
    return compiled


def direct(compiled: Any, *args: Any) -> Any:
    """A compiled loop for arguments of the types of these alone.

    It takes them for granted, which saves most of a call; of others it makes garbage, or the process ends.
    """
    kinds = tuple(map(typeof, args))
    compiled.compile(kinds)
    return compiled.get_overload(kinds)


@cache
def sources(folder: Path) -> str:
    """A hash of all kernels, those of a folder among them, and of how wide vectors are taken to be."""
    kernels = Path(__file__).parent
    places = dict.fromkeys((kernels, kernels.parent / "fused", folder))
    files = [file for place in places for file in sorted(place.glob("*.py"))]
    return hashlib.sha256(b"\0".join([str(LANES).encode(), *(file.read_bytes() for file in files)])).hexdigest()[:12]


def elementary(function: Callable[..., Any]) -> Any:
    """Compile a function of one number; its sums stay in the order in which they are written."""
    return njit(_nrt=False, fastmath={"contract", "nsz"}, error_model="numpy", forceinline=True)(function)


f = np.float32
ZERO, HALF, ONE, TWO = f(0), f(0.5), f(1), f(2)
TINY = f(np.finfo(np.float32).tiny)
LOWEST, HIGHEST = f(-87), f(88)
LOG2E, LN2_HIGH, LN2_LOW = f(1.44269504088896341), f(0.693359375), f(-2.12194440e-4)
E0, E1, E2 = f(1.9875691500e-4), f(1.3981999507e-3), f(8.3334519073e-3)
E3, E4, E5 = f(4.1665795894e-2), f(1.6666665459e-1), f(5.0000001201e-1)
L0, L1, L2 = f(7.0376836292e-2), f(-1.1514610310e-1), f(1.1676998740e-1)
L3, L4, L5 = f(-1.2420140846e-1), f(1.4249322787e-1), f(-1.6668057665e-1)
L6, L7, L8 = f(2.0000714765e-1), f(-2.4999993993e-1), f(3.3333331174e-1)
T0, T1, T2 = f(-5.70498872745e-3), f(2.06390887954e-2), f(-5.37397155531e-2)
T3, T4, SMALL = f(1.33314422036e-1), f(-3.33332819422e-1), f(0.625)


@elementary
def exp(x: np.float32) -> Any:
    """e^x; x is held between -87 and 88, so that the result is neither denormal nor infinite. NaN stays NaN."""
    x = choose(x, LOWEST, LOWEST, x)
    x = choose(HIGHEST, x, HIGHEST, x)
    n = floor(x * LOG2E + HALF)
    r = x - n * LN2_HIGH - n * LN2_LOW
    y = ((((E0 * r + E1) * r + E2) * r + E3) * r + E4) * r + E5
    return (y * (r * r) + r + ONE) * power_of_two(n)


@elementary
def log(x: np.float32) -> Any:
    """The logarithm of x >= 0; that of the smallest normal number where x is smaller."""
    x = choose(x, TINY, TINY, x)
    e, r = exponent(x), mantissa(x) - ONE
    y = (((((((L0 * r + L1) * r + L2) * r + L3) * r + L4) * r + L5) * r + L6) * r + L7) * r + L8
    z = r * r
    return (y * r * z + LN2_LOW * e - HALF * z) + r + LN2_HIGH * e


@kernel
def maximum(row: Floats, scale: np.float32, least: np.float32) -> Any:
    """The largest of ``least`` and ``scale * row``; NaN where there is one.

    As integers in the same order, since LLVM makes no vectors of a maximum of floats.
    """
    best = ordered(least)
    for n in range(row.shape[0]):
        bits = ordered(np.float32(scale * row[n]))
        best = bits if bits > best else best
    return np.int32(best ^ ((best >> 31) & 0x7FFFFFFF)).view(np.float32)


@elementary
def ordered(x: np.float32) -> Any:
    """The number's bits, as an integer that sorts as the number does."""
    bits = np.float32(x).view(np.int32)
    return np.int32(bits ^ ((bits >> 31) & 0x7FFFFFFF))


@elementary
def sigmoid(x: np.float32) -> Any:
    """1 / (1 + e^-x)."""
    return ONE / (ONE + exp(ZERO - x))


@elementary
def tanh(x: np.float32) -> Any:
    """The hyperbolic tangent, as exact near zero as elsewhere."""
    z = x * x
    near = ((((T0 * z + T1) * z + T2) * z + T3) * z + T4) * z * x + x
    far = ONE - TWO / (ONE + exp(TWO * x))
    return choose(absolute(x), SMALL, near, far)


@elementary
def softplus(x: np.float32) -> Any:
    """log(1 + e^x)."""
    y = exp(ZERO - absolute(x))
    more = ONE + y
    rest = choose(ONE, more, log(more) * (y / (more - ONE)), y)  # log(1 + y) where y is small, too
    return choose(ZERO, x, rest + x, rest)

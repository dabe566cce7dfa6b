"""The arrays that the kernels work on. They outlive a call only to be used by the next one.

Asking the system for megabytes every step is slow, and so is cutting them into arrays.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from math import prod
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from ..kernels.layers import BARE, LSTM
from ..kernels.math import Floats, direct
from ..kernels.products import PANEL
from .heads import LINEAR, RELU, TANH
from .unroll import EVERY, Back, Options, Scratch, Several, Trail, prepare, unroll, unroll_back

if TYPE_CHECKING:
    from ..model import NTM

PLACES = 6
"""Layers the kernels are compiled for, the heads' and the output's among them; with more, they are compiled again."""

LINE = 16
"""Floats of a cache line, where arrays begin."""

LARGEST = 2**24
"""Floats beyond which memory is given back to the system at once."""

free: list["Workspace"] = []
"""Workspaces that nobody uses, the latest last; no more than two."""

loops: dict[int, tuple[Any, Any, Any]] = {}
"""``prepare``, ``unroll`` and ``unroll_back`` for so many layers: what they are given is of the same types."""

taking = RLock()
"""Held by whoever takes one or gives it back; a garbage collection may give one back while another is taken."""


@cache
def laid_out(spec: "NTM", kinds: tuple[int, ...], shapes: tuple[tuple[int, int], ...]) -> "Layout":
    """The layout of an NTM whose layers are of these kinds, with weights (outlets, inputs) of these shapes."""
    return Layout(spec, kinds, shapes)


class Layout:
    """Sizes: of the controller's layers, then of the heads' and of the output's."""

    def __init__(self, spec: "NTM", kinds: tuple[int, ...], shapes: tuple[tuple[int, int], ...]) -> None:
        self.spec = spec
        self.gates, self.inputs = [list(sizes) for sizes in zip(*shapes, strict=True)]
        self.units = [size // 4 if kind == LSTM else size for kind, size in zip(kinds, self.gates, strict=True)]
        self.lstms = [n for n, kind in enumerate(kinds) if kind == LSTM]
        if spec.one_after_another:
            raise ValueError(f"{spec}: accepted are heads that write together")
        self.read = (
            spec.reads * spec.width if spec.feedback else 0
        )  # of what was read, how much the controller is given
        self.x = self.inputs[0] - self.read - (self.units[0] if kinds[0] == LSTM else 0)
        self.back = [self.inputs[0] - self.x, *self.inputs[1:]]  # inputs that come from within
        self.options = Options(
            layers=len(kinds) - 1,
            kinds=(*kinds, *[BARE] * (PLACES - len(kinds))),
            below=(self.read, *self.units[:-1], *[0] * (PLACES - len(kinds))),
            reads=spec.reads,
            writes=spec.writes,
            reach=spec.reach,
            limit=np.float32(np.inf if spec.clip_heads is None else spec.clip_heads),
            bound=np.float32(np.inf if spec.clip_output is None else spec.clip_output),
            cosine=spec.similarity == "cosine",
            read_first=spec.read_first,
            squash={"tanh": TANH, "linear": LINEAR, "relu": RELU}[spec.squash],
            gated=spec.gated,
        )


class Workspace:
    """What the kernels need for so many samples at a time, and at most so many time steps."""

    def __init__(self, layout: Layout, steps: int, batch: int) -> None:
        self.layout, self.steps, self.batch = layout, steps, batch
        spec, layers, blocks = layout.spec, len(layout.gates), -(-batch // 4)
        rows, width, heads, asked = spec.rows, spec.width, spec.reads + spec.writes, layout.units[-2]
        vectors, ring, lengths = heads + spec.reads, rows + 2 * spec.reach, rows if layout.options.cosine else 0
        times, states = (blocks, steps, 4), (blocks, steps + 1, 4)
        cells = [units if n in layout.lstms else 0 for n, units in enumerate(layout.units)]
        shapes: list[tuple[int, ...]] = [
            *((*states, PANEL * panels(size)) for size in (*layout.inputs[:-2], layout.inputs[-1])),
            *((*times, size) for size in layout.gates),
            *((*states, units) for units in cells),
            *[(*times, asked), (*times, heads, rows), (*states, heads, rows), (*times, heads, 4)],
            *[(*times, 1 if spec.read_first else 2, lengths), (blocks, -(-steps // EVERY), 4, width, rows)],
            *((panels(size), k, PANEL) for size, k in zip(layout.gates, layout.inputs, strict=True)),
            *((panels(k), size, PANEL) for size, k in zip(layout.gates, layout.back, strict=True)),
            *((4, units) for units in layout.units),
            *[(4, layout.inputs[-1]), (ring,), (ring,), (2 * spec.reach + 4, 4 * heads), (rows,), (rows,), (rows,)],
            *[(spec.writes, rows), (vectors, rows), (vectors, width), (asked,), (EVERY + 1, 4, width, rows)],
            *((4, size) for size in layout.back),
            *((4, units) for units in cells),
            *[(4, width, rows), (4, heads, rows)],
            *((size,) for size in layout.back),
            *((units,) for units in cells),
            *[(width, rows), (heads, rows), (blocks, 4, width, rows)],
        ]
        self.size = sum(whole(prod(shape)) for shape in shapes)
        parts = carve(self.size, shapes)

        def several(count: int) -> Several:
            return places(islice(parts, count))

        self.trail = Trail(
            several(layers - 1), several(layers), several(layers), *islice(parts, len(Trail._fields) - 3)
        )
        self.scratch = Scratch(
            several(layers), several(layers), several(layers), *islice(parts, len(Scratch._fields) - 3)
        )
        self.back = Back(
            several(layers), several(layers), next(parts), next(parts),
            several(layers), several(layers), next(parts), next(parts),
        )  # fmt: skip
        self.memory = next(parts)
        if batch % 4:
            for part in (*self.trail.inputs[: layers - 1], *self.trail.cells[:layers]):
                part[-1, :, batch % 4 :] = 0
        if layers not in loops:
            x = np.empty((1, 1, 1), np.float32)
            weights, biases = self.scratch.d_outs, self.back.first_inputs  # have as many axes
            ways = (self.trail, self.scratch, layout.options)
            loops[layers] = (
                direct(prepare, self.scratch, self.back, weights, layout.options.layers, layout.x),
                direct(unroll, x, x, 0, biases, self.memory, *ways),
                direct(unroll_back, x, weights, biases, self.back, *ways),
            )
        self._prepare, self._unroll, self._unroll_back = loops[layers]

    def prepare(self, weights: Several) -> None:
        """Begin with these weights: see ``fused_unroll.prepare``."""
        self._prepare(self.scratch, self.back, weights, self.layout.options.layers, self.layout.x)

    def unroll(self, x: Floats, logits: Floats, biases: Several, sample: int = 0) -> None:
        """Forward, from a sample of the batch on: see ``fused_unroll.unroll``."""
        self._unroll(x, logits, sample, biases, self.memory, self.trail, self.scratch, self.layout.options)

    def unroll_back(self, d_logits: Floats, d_weights: Several, d_biases: Several) -> None:
        """Back: see ``fused_unroll.unroll_back``."""
        self._unroll_back(
            d_logits, d_weights, d_biases, self.back, self.trail, self.scratch, self.layout.options
        )  # fmt: skip


class Lent:
    """A workspace, until nothing refers to this any more."""

    def __init__(self, layout: Layout, steps: int, batch: int) -> None:
        with taking:
            mine = [each for each in free if each.layout is layout and each.batch == batch]
            fitting = [each for each in mine if each.steps >= steps]
            taken = fitting[-1:] or mine  # those that are too small make way
            free[:] = [each for each in free if each not in taken]
        self.workspace = fitting[-1] if fitting else Workspace(layout, steps, batch)

    def __del__(self) -> None:
        if (workspace := getattr(self, "workspace", None)) is not None and workspace.size <= LARGEST:
            with taking:
                free.append(workspace)
                del free[:-2]


def carve(size: int, shapes: Iterable[tuple[int, ...]]) -> Iterator[Floats]:
    """Uninitialised arrays of these shapes in one piece of memory, each from the beginning of a line on."""
    piece = np.empty(size + LINE, np.float32)
    at = -piece.ctypes.data // piece.itemsize % LINE
    for shape in shapes:
        yield piece[at : at + prod(shape)].reshape(shape)
        at += whole(prod(shape))


def whole(size: int) -> int:
    """The size, in whole lines."""
    return -(-size // LINE) * LINE


def panels(size: int) -> int:
    """How many hold as many columns."""
    return -(-size // PANEL)


def places(arrays: Iterable[Floats]) -> Several:
    """One array a layer, and empty ones to ``PLACES``: kernels are compiled once, whatever the number of layers."""
    several = tuple(arrays)
    empty = np.empty((0,) * several[0].ndim, np.float32)
    return several + (empty,) * (PLACES - len(several))

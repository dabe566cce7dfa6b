"""What a kernel knows of an NTM before it runs: sizes, and where everything lies. No Triton yet."""

from typing import NamedTuple

from ..cell import NTMCell
from ..controller import LSTMStack

TILE = 2048
"""Weights that a program multiplies at a time: sixteen a thread, of 128 threads."""


class Plan(NamedTuple):
    """An NTM in numbers. Where two sizes differ by a power of two, blocks are larger, and masked.

    A step of a sequence is one record of numbers: first those of the way forward, then, from ``back`` on, those of the
    way back, where the gradient by a number lies as the number does. Each is written once: a barrier between who writes
    and who reads is all that a program's threads need. What layer l is given lies in ``inputs[l]``; a layer writes its
    output where the next layer, or the next step, reads it. The last of ``inputs`` is what the heads and the output are
    given: [hidden; reads], or the first part of it.
    """

    rows: int  # N
    width: int  # M
    reads: int
    writes: int
    reach: int
    cosine: bool
    limit: float  # of raw head parameters, or infinity
    x: int  # the size of the input
    lstm: bool
    units: int
    layers: int
    gates: tuple[int, ...]  # a layer's, the heads' last
    given: tuple[int, ...]  # the size of what it is given
    own: tuple[int, ...]  # where in that its own output of the step before begins
    # where weights begin: of a member, transposed and followed by the bias; and as its parameters lie
    weights: tuple[int, ...]
    biases: tuple[int, ...]
    parameters: tuple[int, ...]
    member: int  # numbers of a member's transposed weights
    size: int  # numbers of its parameters
    # where parts of a record begin
    inputs: tuple[int, ...]
    raw: tuple[int, ...]  # a layer's output before its squash, the heads' last
    cells: tuple[int, ...]
    weightings: int
    ring: int  # weightings on their way to be shifted
    memory: int
    hidden: int  # back alone: what the heads give back to the hidden state
    written: int  # back alone: what memory gives back to the weightings that wrote it
    again: int  # back alone: the ring, made again
    back: int  # numbers of the way forward
    record: int  # numbers of both ways
    # blocks
    rows_block: int
    width_block: int
    shifts_block: int
    units_block: int
    gates_block: tuple[int, ...]
    given_block: tuple[int, ...]
    tile: int  # weights that a program multiplies at a time

    @property
    def one_each(self) -> bool:
        """Whether there is one read and one write head: less to remember at a time."""
        return self.reads == self.writes == 1

    @property
    def warps(self) -> int:
        """Of 32 threads each."""
        a_thread = 32 if self.one_each else 16  # numbers of the memory
        return min(16, max(4, self.rows_block * self.width_block // (32 * a_thread)))

    def registers(self, capability: int) -> int:
        """At most so many a thread. Where fewer do, three programs share a multiprocessor's 65,536."""
        fewer = capability >= 90 and self.one_each and self.cosine and self.reach <= 1
        return min(255, 65536 // ((3 if fewer else 1) * 32 * self.warps) // 8 * 8)


def planned(cell: NTMCell) -> Plan:
    """The plan of a cell, whose controller has neither inlet nor second biases."""
    spec, lstm = cell.spec, isinstance(cell.controller, LSTMStack)
    rows, width, reads, writes = spec.rows, spec.width, spec.reads, spec.writes
    heads, shifts, units = reads + writes, 2 * spec.reach + 1, spec.controller.units
    layers = [*cell.controller.layers, cell.heads]  # type: ignore[misc]
    gates = tuple(layer.weight.shape[0] for layer in layers)
    given = tuple(layer.weight.shape[1] for layer in layers)
    starts, at = {}, 0
    for parameter in cell.parameters():
        starts[parameter] = at
        at += parameter.numel()
    packed = laid([size for pair in zip(gates, given, strict=True) for size in (pair[0] * pair[1], pair[0])])
    inputs = (*given[:-1], units + reads * width)
    cells = (units,) * (len(layers) - 1 if lstm else 0)
    places = laid([*inputs, *gates, *cells, heads * rows, heads * rows, rows * width])
    back = laid([places[-1], units, writes * rows, heads * rows])
    count = len(layers)
    return Plan(
        rows=rows,
        width=width,
        reads=reads,
        writes=writes,
        reach=spec.reach,
        cosine=spec.similarity == "cosine",
        limit=float("inf") if spec.clip_heads is None else spec.clip_heads,
        x=cell.inputs,
        lstm=lstm,
        units=units,
        layers=count - 1,
        gates=gates,
        given=given,
        own=tuple(size - units for size in given[:-1]) if lstm else (),
        weights=packed[:-1:2],
        biases=packed[1::2],
        parameters=tuple(starts[layer.weight] for layer in layers),
        member=packed[-1],
        size=at,
        inputs=places[:count],
        raw=places[count : 2 * count],
        cells=places[2 * count : 2 * count + len(cells)],
        weightings=places[-4],
        ring=places[-3],
        memory=places[-2],
        hidden=back[1],
        written=back[2],
        again=back[3],
        back=places[-1],
        record=places[-1] + back[-1],
        rows_block=block(rows),
        width_block=block(width),
        shifts_block=block(shifts),
        units_block=block(units),
        gates_block=tuple(min(block(size), 512) for size in gates),
        given_block=tuple(min(block(size), 512) for size in given),
        tile=TILE,
    )


def laid(sizes: list[int]) -> tuple[int, ...]:
    """Where parts of these sizes begin, one after the other, and where all end: four numbers are loaded at a time."""
    places = [0]
    for size in sizes:
        places.append(places[-1] + -(-size // 4) * 4)
    return tuple(places)


def block(size: int) -> int:
    """The next power of two."""
    return int(1 << (size - 1).bit_length())


def options(plan: Plan, capability: int) -> dict[str, int]:
    """What Triton is asked for beside the plan, on a GPU of this capability, as 90.

    Nothing is loaded ahead (``num_stages``): stores lie between.
    """
    return {"num_warps": plan.warps, "num_stages": 1, "maxnreg": plan.registers(capability)}

"""What memories share whose state is a matrix: S_t = a_t S_(t-1) + k_t w_t^T, read as q_t S_t.

What is written, w, is the value itself, or what the delta rule makes of it. A piece of a sequence is computed at once,
by products of matrices (time, time); a step after a step would give the same. All tensors begin with (heads), which
counts the heads of all sequences: (batch * heads, time, size).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .blocks import compiles

PIECE = 64
"""Steps computed at once: the work on (time, time) grows with it, the number of products falls."""

GONE = -44.0
"""What is left of a write is nothing, once it is less than e to this, 8e-20: products with what is much less would be
denormal numbers, with which a processor takes several times as long."""

State = Tensor | tuple[()]
"""The matrices of all heads; (), as long as nothing was written, which spares the products with zeros."""


class Left(NamedTuple):
    """What is left in every step, of the state before the first and of what each step wrote, times exp(-most)."""

    since: Tensor  # (heads, time)
    between: Tensor  # (heads, time, time): in step i of what step j wrote, 0 where j > i
    most: Tensor  # (heads, time)


def split(x: Tensor, count: int) -> Tensor:
    """(time, batch, count * size) to (batch * count, time, size)."""
    steps, batch, width = x.shape
    return x.reshape(steps, batch * count, width // count).transpose(0, 1)


def joined(x: Tensor, count: int) -> Tensor:
    """(batch * count, time, size) to (time, batch, count * size)."""
    heads, steps, size = x.shape
    return x.transpose(0, 1).reshape(steps, heads // count, count * size)


def pieces(form: Callable[..., tuple[Tensor, Any]], state: Any, *parts: Tensor) -> tuple[Tensor, Any]:
    """A form over whole sequences: it is given parts (heads, time, ...), a piece after a piece, and the state before.

    Returns:
        What it reads, (heads, time, size), and the state after the last piece.
    """
    outputs = []
    for piece in zip(*(torch.split(part, PIECE, dim=1) for part in parts), strict=True):
        output, state = form(*piece, state)
        outputs.append(output)
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1), state


def causal(steps: int, like: Tensor) -> Tensor:
    """(time, time): False where the second step comes after the first."""
    return torch.ones(steps, steps, dtype=torch.bool, device=like.device).tril()


def left(logs: Tensor, gains: Tensor | None = None, scale: Tensor | None = None) -> Left:
    """By the logarithms of what every step leaves of the state before it, (heads, time).

    Args:
        gains: Logarithms of what each step's write is multiplied by, likewise. With them no exponential overflows:
            ``most`` is the largest logarithm of a step, and else 0. No gradient passes through it.
        scale: The ``most`` by which the state before was divided, (heads,).
    """
    scaled = gains is not None and scale is not None
    gains = torch.zeros_like(logs) if gains is None else gains
    scale = logs.new_zeros(len(logs)) if scale is None else scale
    if not compiles(logs, gains, scale):
        return _left(logs, gains, scale, scaled)
    from .fused.decay import Decayed  # compiled code is loaded once it is needed

    return Left(*Decayed.apply(_left, GONE, scaled, logs, gains, scale))  # type: ignore[no-untyped-call]


def _left(logs: Tensor, gains: Tensor, scale: Tensor, scaled: bool) -> Left:
    total = logs.cumsum(dim=1)
    between = total[:, :, None] - total[:, None, :] + gains[:, None, :]
    between = between.masked_fill(~causal(logs.shape[1], logs), -torch.inf)
    since = total + scale[:, None]
    most = torch.maximum(between.amax(dim=2), since).detach() if scaled else torch.zeros_like(total)
    return Left(_faded(since - most), _faded(between - most[..., None]), most)


def _faded(logs: Tensor) -> Tensor:
    return logs.exp().masked_fill(logs < GONE, 0)


def read(q: Tensor, k: Tensor, written: Tensor, rest: Left, state: State) -> tuple[Tensor, Tensor]:
    """What every step reads after it has written, (heads, time, values), and the state after the last.

    Args:
        q: Queries (heads, time, keys); where all heads of a sequence have the same, (sequences, time, keys).
        k: Keys, likewise.
        written: Under each key, (heads, time, values).
        rest: What is left of it later.
        state: Before the first step, (heads, keys, values); () where nothing was written yet.
    """
    alike = q @ k.mT
    if len(q) < len(written):
        q, k, alike = (part.repeat_interleave(len(written) // len(q), dim=0) for part in (q, k, alike))
    output = (alike * rest.between) @ written
    after = k.mT @ (rest.between[:, -1, :, None] * written)
    if isinstance(state, Tensor):
        output = output + rest.since[..., None] * (q @ state)
        after = after + rest.since[:, -1, None, None] * state
    return output, after


def flat(state: State) -> State:
    """(batch, heads, keys, values) to (batch * heads, keys, values)."""
    return state.flatten(0, 1) if isinstance(state, Tensor) else state


def corrected(k: Tensor, v: Tensor, strength: Tensor, rest: Left, state: State) -> Tensor:
    """What the delta rule writes: strength times what the value differs from that read under its key.

    Every step's depends on those before it, w_i = b_i (v_i - k_i a_i S_(i-1)): a triangular system of equations
    (Yang et al. 2024, the UT transform).

    Args:
        strength: (heads, time).
    """
    if isinstance(state, Tensor):
        v = v - rest.since[..., None] * (k @ state)
    known = strength[..., None] * v
    others = strength[..., None] * rest.between * (k @ k.mT)
    written: Tensor = torch.linalg.solve_triangular(others, known, upper=False, unitriangular=True)
    return written


def looked(form: Callable[..., tuple[Tensor, Any]], state: Any, count: int, *asked: Tensor) -> dict[str, Tensor]:
    """How much of what each step offers is in what a step reads, ``read attention``: (time, batch, heads, time).

    Whatever the form, what is read is linear in the values; so each step's is its mark.

    Args:
        form: As for ``pieces``.
        state: Before the first step.
        count: Heads of a sequence.
        asked: What the form is given, queries, keys and values first.
    """
    q, k, v, *others = asked
    steps = v.shape[1]
    y, _ = pieces(form, state, q, k, torch.eye(steps).to(v).expand(len(v), steps, steps), *others)
    return {"read attention": y.view(-1, count, steps, steps).permute(2, 0, 1, 3)}


def added(q: Tensor, k: Tensor, v: Tensor, logs: Tensor, state: State) -> tuple[Tensor, Tensor]:
    """What a piece reads where values are added up, and the state after it; logs as of ``left``."""
    return read(q, k, v, left(logs), state)


def replaced(q: Tensor, k: Tensor, v: Tensor, strength: Tensor, logs: Tensor, state: State) -> tuple[Tensor, Tensor]:
    """What a piece reads by the delta rule, and the state after it."""
    rest = left(logs)
    return read(q, k, corrected(k, v, strength, rest, state), rest, state)

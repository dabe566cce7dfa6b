"""The linear recurrence that every memory with a diagonal transition is: one loop forward, one back."""

from typing import Any

import torch
from torch import Tensor


def scan(decay: Tensor, write: Tensor, first: Tensor) -> Tensor:
    """h_t = decay_t h_{t-1} + write_t, elementwise; real or complex.

    On one thread of a CPU this loop and the one that goes back are quicker than a parallel scan, whose passes over all
    steps it saves, and than autograd's, which keeps every step's operations.

    Args:
        decay: (time, batch, n), expanded where it is the same for all.
        write: (time, batch, n), of one step at least.
        first: h before the first step, (batch, n).

    Returns:
        All h, (time, batch, n).
    """
    states: Tensor = Scan.apply(decay, write, first)  # type: ignore[no-untyped-call]
    return states


class Scan(torch.autograd.Function):
    """``scan``, and its gradient: with g the gradient by all that follows, g_t = grad_t + conj(decay_{t+1}) g_{t+1}."""

    @staticmethod
    def forward(decay: Tensor, write: Tensor, first: Tensor) -> Tensor:
        states = write.clone(memory_format=torch.contiguous_format)
        before = first
        for state, kept in zip(states.unbind(), decay.unbind(), strict=True):
            before = state.addcmul_(kept, before)
        return states

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        decay, _, first = inputs
        ctx.save_for_backward(decay, first, output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        decay, first, states = ctx.saved_tensors
        slopes, kept = grads[0].clone(memory_format=torch.contiguous_format), decay.conj().resolve_conj()
        steps, decays = slopes.unbind(), kept.unbind()
        for t in range(len(steps) - 2, -1, -1):
            steps[t].addcmul_(decays[t + 1], steps[t + 1])
        by_decay = torch.empty_like(states)
        torch.mul(slopes[0], first.conj(), out=by_decay[0])
        torch.mul(slopes[1:], states[:-1].conj(), out=by_decay[1:])
        return by_decay, slopes, decays[0] * steps[0]

    @staticmethod
    def vmap(info: Any, axes: tuple[int | None, ...], *parts: Tensor) -> tuple[Tensor, int]:
        """Members of a cohort are more sequences, side by side: the axis of members goes before that of the batch."""
        placed = [
            part.unsqueeze(at).expand(*part.shape[:at], info.batch_size, *part.shape[at:])
            if axis is None
            else part.movedim(axis, at)
            for part, axis, at in zip(parts, axes, (1, 1, 0), strict=True)
        ]
        return scan(*placed), 1

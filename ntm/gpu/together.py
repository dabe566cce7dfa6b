"""Several NTMs that differ in their values alone, forward and back at once: what ``NTMModule.differentiation`` gives.

Two kernels run the controller, the heads and the memory over all steps; what knows no order of time is a product of
matrices before or after them: the logits, and the gradients of weights. Nothing waits for the device, and nothing
depends on a value: a step can be captured as a CUDA graph. Not measured on a GPU.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..cell import NTMCell
from ..controller import LSTMStack
from ..memory import Start
from ..unroll import Slope
from .plan import Plan, options, planned
from .unroll import backward, forward

CHUNK = 8
"""Steps at a time where no gradient is asked for."""


class Together:
    """Finds logits, and gradients by all parameters, of members that are alike but for their values.

    What training does not move is taken from the cells once, when this is made.

    Args:
        cells: One a member, see ``limits.uncovered``.
    """

    how = "Triton"

    def __init__(self, cells: Sequence[NTMCell]) -> None:
        cell, self.members = cells[0], len(cells)
        self.cell, self.plan = cell, planned(cell)
        device = cell.output.weight.device
        major, minor = torch.cuda.get_device_capability(device) if device.type == "cuda" else (9, 0)
        self.options = options(self.plan, 10 * major + minor)
        self.layers: list[Any] = [*cell.controller.layers, cell.heads]  # type: ignore[misc]
        self.parameters: dict[Tensor, slice] = {}
        at = 0
        for parameter in cell.parameters():
            self.parameters[parameter] = slice(at, at + parameter.numel())
            at += parameter.numel()
        self.starts = begins(cell, self.plan)
        self.fixed = [
            None
            if start.raw in self.parameters
            else torch.stack([begins(own, self.plan)[n][0]().detach() for own in cells])
            for n, (start, _, _) in enumerate(self.starts)
        ]

    @torch.no_grad()
    def __call__(self, weights: Tensor, inputs: Tensor, slopes: Sequence[Slope]) -> tuple[Tensor, Tensor]:
        """Logits (members, time, batch, outputs), and gradients (members, parameters).

        Args:
            weights: (members, parameters), of which the modules' parameters need not be views.
            inputs: (members, time, batch, inputs).
            slopes: The gradient of each member's loss by its logits.

        Raises:
            ValueError: The weights or inputs are of another shape, type or place; or the slopes not as the logits.
        """
        self.check(weights, inputs)
        plan, (members, steps, batch) = self.plan, inputs.shape[:3]
        records = weights.new_empty(members, steps + 1, batch, plan.record)
        trail, deltas = records[..., : plan.back], records[..., plan.back :]
        values = self.begin(records, weights)
        self.run(records, inputs, self.transposed(weights))
        raw_logits = self.output(trail[:, :steps], weights)
        logits = self.clip(raw_logits)
        everyone = slice(0, batch)
        found = [slope(own, everyone) for slope, own in zip(slopes, logits.unbind(), strict=True)]
        d_logits = torch.stack(found)
        if d_logits.shape != logits.shape or d_logits.dtype != logits.dtype:
            raise ValueError(f"slopes of {tuple(d_logits.shape)}: accepted are {tuple(logits.shape)}, as the logits")
        if (bound := self.cell.spec.clip_output) is not None:
            d_logits = d_logits * (raw_logits.abs() <= bound)
        deltas[:, steps].zero_()
        features = slice(plan.inputs[-1], plan.inputs[-1] + self.cell.output.in_features)
        d_features = d_logits.flatten(1, 2) @ self.of(weights, self.cell.output.weight)
        deltas[:, :steps, :, features] = d_features.view(members, steps, batch, -1)
        backward[(members * batch,)](records, weights, steps, batch, plan, **self.options)
        gradients = torch.zeros_like(weights)
        self.products(gradients, d_logits, trail[:, :steps], deltas[:, :steps])
        self.begin_back(gradients, values, deltas[:, 0])
        return logits, gradients

    @torch.no_grad()
    def forward(self, weights: Tensor, inputs: Tensor) -> Tensor:
        """Logits (members, time, batch, outputs) of inputs (time, batch, inputs) that all members are given.

        A few steps at a time, so that long sequences take no more memory than short ones.
        """
        steps, batch = inputs.shape[:2]
        records = weights.new_empty(self.members, min(CHUNK, steps) + 1, batch, self.plan.record)
        inputs = inputs.expand(self.members, *inputs.shape)
        self.check(weights, inputs)
        self.begin(records, weights)
        transposed, pieces = self.transposed(weights), []
        for chunk in torch.split(inputs, CHUNK, dim=1):
            count = chunk.shape[1]
            part = records if count + 1 == records.shape[1] else records[:, : count + 1].contiguous()
            self.run(part, chunk, transposed)
            pieces.append(self.clip(self.output(part[:, :count], weights)))
            records[:, 0] = part[:, count]
        return torch.cat(pieces, dim=1)

    def run(self, records: Tensor, inputs: Tensor, transposed: Tensor) -> None:
        """Run forward what begins as ``begin`` says."""
        plan, (members, steps, batch) = self.plan, inputs.shape[:3]
        records[:, :steps, :, plan.inputs[0] : plan.inputs[0] + plan.x] = inputs
        forward[(members * batch,)](records, transposed, steps, batch, plan, **self.options)

    def check(self, weights: Tensor, inputs: Tensor) -> None:
        """Whether the kernels may be given these: they do not look where an array ends."""
        size, x = self.plan.size, self.plan.x
        if weights.shape != (self.members, size) or not weights.is_contiguous():
            raise ValueError(f"weights of {tuple(weights.shape)}: accepted are {(self.members, size)}, in one piece")
        if inputs.dim() != 4 or (len(inputs), inputs.shape[-1]) != (self.members, x) or inputs.dtype != weights.dtype:
            raise ValueError(
                f"inputs of {tuple(inputs.shape)}, {inputs.dtype}: accepted is ({self.members}, time, batch, {x}), "
                f"{weights.dtype}"
            )

    def of(self, weights: Tensor, parameter: Tensor) -> Tensor:
        """All members' values of a parameter of the first, (members, ...): a view."""
        return weights[:, self.parameters[parameter]].view(len(weights), *parameter.shape)

    def transposed(self, weights: Tensor) -> Tensor:
        """Weights and biases as the way forward reads them: see ``Plan.weights``."""
        plan = self.plan
        packed = weights.new_empty(self.members, plan.member)
        for layer, at, bias in zip(self.layers, plan.weights, plan.biases, strict=True):
            size = layer.weight.numel()
            packed[:, at : at + size].view(self.members, *layer.weight.shape[::-1])[:] = self.of(
                weights, layer.weight
            ).mT
            packed[:, bias : bias + len(layer.bias)] = self.of(weights, layer.bias)
        return packed

    def output(self, trail: Tensor, weights: Tensor) -> Tensor:
        """Logits before their clip."""
        layer, at = self.cell.output, self.plan.inputs[-1]
        features = trail[..., at : at + layer.in_features].flatten(1, 2)
        bias, weight = self.of(weights, layer.bias)[:, None], self.of(weights, layer.weight)
        return torch.baddbmm(bias, features, weight.mT).view(*trail.shape[:3], -1)

    def clip(self, logits: Tensor) -> Tensor:
        bound = self.cell.spec.clip_output
        return logits if bound is None else logits.clamp(-bound, bound)

    def products(self, gradients: Tensor, d_logits: Tensor, trail: Tensor, deltas: Tensor) -> None:
        """Gradients of weights and biases: over all steps and samples, the sum of products."""
        plan = self.plan
        layers = [*self.layers, self.cell.output]
        d_outs = [deltas[..., at : at + size] for at, size in zip(plan.raw, plan.gates, strict=True)] + [d_logits]
        for layer, d_out, at in zip(layers, d_outs, [*plan.inputs, plan.inputs[-1]], strict=True):
            x = trail[..., at : at + layer.weight.shape[1]].flatten(1, 2)
            d_out = d_out.flatten(1, 2)
            self.of(gradients, layer.weight)[:] = d_out.mT @ x
            self.of(gradients, layer.bias)[:] = d_out.sum(1)

    def begin(self, records: Tensor, weights: Tensor) -> list[Tensor]:
        """Write how states begin into the first records; gives the values, (members, ...)."""
        values = []
        for (start, at, size), fixed in zip(self.starts, self.fixed, strict=True):
            value = start.value(self.of(weights, start.raw)) if fixed is None else fixed
            records[:, 0, :, at : at + size] = value.flatten(1)[:, None]
            values.append(value)
        return values

    def begin_back(self, gradients: Tensor, values: Sequence[Tensor], deltas: Tensor) -> None:
        """Gradients of how states begin, from those of each sample's first state."""
        for (start, at, size), value, fixed in zip(self.starts, values, self.fixed, strict=True):
            if fixed is None:
                d_value = deltas[..., at : at + size].sum(1).view_as(value)
                d_raw = start.back(value, d_value)
                self.of(gradients, start.raw).add_(d_raw)  # some may share a parameter


def begins(cell: NTMCell, plan: Plan) -> list[tuple[Start, int, int]]:
    """How states begin, and where in a record they lie: where, and how many numbers."""
    reading, size = plan.reads * plan.rows, plan.reads * plan.width
    found = [
        (cell.memory, plan.memory, plan.rows * plan.width),
        (cell.read_weighting, plan.weightings, reading),
        (cell.write_weighting, plan.weightings + reading, plan.writes * plan.rows),
        (cell.reads, plan.inputs[0] + plan.x, size),
    ]
    if isinstance(cell.controller, LSTMStack):
        starts: Any = cell.controller.starts
        for layer in range(plan.layers):
            hidden, state = starts[2 * layer : 2 * layer + 2]
            found += [
                (hidden, plan.inputs[layer] + plan.own[layer], plan.units),
                (state, plan.cells[layer], plan.units),
            ]
    return found

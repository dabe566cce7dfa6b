"""The controller's step and what the heads are asked, forward and backward: see ``plan.Plan`` for where all lies."""

import triton
import triton.language as tl

from .math import multiply, sigmoid, tanh


@triton.jit
def control(here, after, weights, plan: tl.constexpr):
    """From a step's input to the raw head parameters."""
    u = tl.arange(0, plan.units_block)
    within = u < plan.units
    layers: tl.constexpr = plan.layers
    for layer in tl.static_range(layers):
        raw = here + plan.raw[layer]
        linear(raw, here + plan.inputs[layer], weights, layer, plan)
        tl.debug_barrier()
        if plan.lstm:
            i, f, g, o = gates(raw, plan)
            cell = f * tl.load(here + plan.cells[layer] + u, within, 0) + i * g
            hidden = o * tanh(cell)
            tl.store(after + plan.cells[layer] + u, cell, within)
            tl.store(after + plan.inputs[layer] + plan.own[layer] + u, hidden, within)
        else:
            hidden = tanh(tl.load(raw + u, within, 0))
        tl.store(here + plan.inputs[layer + 1] + u, hidden, within)
        tl.debug_barrier()
    linear(here + plan.raw[plan.layers], here + plan.inputs[plan.layers], weights, plan.layers, plan)
    tl.debug_barrier()


@triton.jit
def control_back(here, after, weights, plan: tl.constexpr):
    """Back through ``control``."""
    back = here + plan.back
    layers: tl.constexpr = plan.layers
    linear_back(back + plan.hidden, back + plan.raw[layers], weights, layers, 0, plan)
    tl.debug_barrier()
    for above in tl.static_range(layers):
        layer_back(here, after, weights, layers - 1 - above, plan)


@triton.jit
def layer_back(here, after, weights, layer: tl.constexpr, plan: tl.constexpr):
    """Back through a layer of the controller."""
    u = tl.arange(0, plan.units_block)
    within = u < plan.units
    back, back_after = here + plan.back, after + plan.back
    d_hidden = tl.load(back + plan.inputs[layer + 1] + u, within, 0)  # by the layer above, or the logits
    if layer + 1 == plan.layers:
        d_hidden += tl.load(back + plan.hidden + u, within, 0)  # by the heads
    d_raw = back + plan.raw[layer] + u
    if plan.lstm:
        d_hidden += tl.load(back_after + plan.inputs[layer] + plan.own[layer] + u, within, 0)  # by the next step
        i, f, g, o = gates(here + plan.raw[layer], plan)
        squashed = tanh(tl.load(after + plan.cells[layer] + u, within, 0))
        d_cell = tl.load(back_after + plan.cells[layer] + u, within, 0)
        d_cell += d_hidden * o * (1 - squashed * squashed)
        before = tl.load(here + plan.cells[layer] + u, within, 0)
        tl.store(back + plan.cells[layer] + u, d_cell * f, within)
        tl.store(d_raw, d_cell * g * i * (1 - i), within)
        tl.store(d_raw + plan.units, d_cell * before * f * (1 - f), within)
        tl.store(d_raw + 2 * plan.units, d_cell * i * (1 - g * g), within)
        tl.store(d_raw + 3 * plan.units, d_hidden * squashed * o * (1 - o), within)
    else:
        hidden = tl.load(here + plan.inputs[layer + 1] + u, within, 0)
        tl.store(d_raw, d_hidden * (1 - hidden * hidden), within)
    tl.debug_barrier()
    skip: tl.constexpr = plan.x if layer == 0 else 0  # nobody asks for the gradient of the input
    linear_back(back + plan.inputs[layer], back + plan.raw[layer], weights, layer, skip, plan)
    tl.debug_barrier()


@triton.jit
def gates(raw, plan: tl.constexpr):
    """An LSTM's: input, forget, candidate, output."""
    u = tl.arange(0, plan.units_block)
    within = u < plan.units
    i, f = sigmoid(tl.load(raw + u, within, 0)), sigmoid(tl.load(raw + plan.units + u, within, 0))
    g, o = tanh(tl.load(raw + 2 * plan.units + u, within, 0)), sigmoid(tl.load(raw + 3 * plan.units + u, within, 0))
    return i, f, g, o


@triton.jit
def linear(out, x, weights, layer: tl.constexpr, plan: tl.constexpr):
    """W x + b, by the transposed weights."""
    matrix, bias, size = weights + plan.weights[layer], weights + plan.biases[layer], plan.gates[layer]
    block: tl.constexpr = plan.gates_block[layer]
    multiply(out, x, matrix, bias, plan.given[layer], size, size, True, block, plan.tile // block)


@triton.jit
def linear_back(d_x, d_out, weights, layer: tl.constexpr, skip: tl.constexpr, plan: tl.constexpr):
    """The gradient of ``linear``'s x, but for its first numbers, by the weights as they are."""
    matrix, size = weights + plan.parameters[layer] + skip, plan.given[layer]
    block: tl.constexpr = plan.given_block[layer]
    multiply(d_x + skip, d_out, matrix, matrix, plan.gates[layer], size - skip, size, False, block, plan.tile // block)

"""The NTM over whole sequences, a program a sequence: the loop over time, forward and backward.

Programs are (members * batch,); records are (members, time + 1, batch, record), one of every step: see ``plan.Plan``.
The first holds how states begin and, in the end, the gradients by that.
"""

import triton
import triton.language as tl

from .addressing import address, address_back, ask
from .controller import control, control_back
from .memory import keep, tile, write, write_back


@triton.jit(do_not_specialize=["steps"])
def forward(records, weights, steps, batch, plan: tl.constexpr):
    """Run all steps, the memory in registers. Given are their inputs, and the state before the first.

    Args:
        weights: Transposed, (members, plan.member).
    """
    member, sample = tl.program_id(0) // batch, tl.program_id(0) % batch
    here = records + (member.to(tl.int64) * (steps + 1) * batch + sample) * plan.record
    weights += member.to(tl.int64) * plan.member
    n, m = tl.arange(0, plan.rows_block), tl.arange(0, plan.width_block)
    heads: tl.constexpr = plan.reads + plan.writes
    per: tl.constexpr = plan.width + 2 * plan.reach + 4  # raw parameters of a head
    memory = tile(here + plan.memory, plan)  # M_0
    for _ in tl.range(0, steps, disable_licm=True):  # what is hoisted out of it would take registers
        after = here + batch * plan.record
        control(here, after, weights, plan)
        raw = here + plan.raw[plan.layers]
        for head in range(heads):  # all address the old memory, and it is the old one that is read
            key, strength, gate, kernel, excess = ask(raw + head * per, plan)
            place = head * plan.rows
            previous = tl.load(here + plan.weightings + place + n, n < plan.rows, 0)
            ring = here + plan.ring + place
            weighting = address(ring, memory, key, strength, gate, kernel, excess, previous, plan)[0]
            tl.store(after + plan.weightings + place + n, weighting, n < plan.rows)
            read, reading = tl.sum(memory * weighting[:, None], 0), (m < plan.width) & (head < plan.reads)  # r, eq. 2
            tl.store(here + plan.inputs[plan.layers] + plan.units + head * plan.width + m, read, reading)
            tl.store(after + plan.inputs[0] + plan.x + head * plan.width + m, read, reading)
        tl.debug_barrier()
        memory = write(memory, raw + heads * per, after + plan.weightings, plan)
        keep(after + plan.memory, memory, plan)
        here = after


@triton.jit(do_not_specialize=["steps"])
def backward(records, weights, steps, batch, plan: tl.constexpr):
    """Go back through ``forward``. Given are gradients of hidden states and reads by the logits, and zeros at the end.

    Args:
        weights: As parameters lie, (members, plan.size).
    """
    member, sample = tl.program_id(0) // batch, tl.program_id(0) % batch
    after = records + ((member.to(tl.int64) * (steps + 1) + steps) * batch + sample) * plan.record
    weights += member.to(tl.int64) * plan.size
    n, m = tl.arange(0, plan.rows_block), tl.arange(0, plan.width_block)
    heads: tl.constexpr = plan.reads + plan.writes
    per: tl.constexpr = plan.width + 2 * plan.reach + 4
    for _ in tl.range(0, steps, disable_licm=True):  # what is hoisted out of it would take registers
        here = after - batch * plan.record
        back, back_after = here + plan.back, after + plan.back
        raw, d_raw = here + plan.raw[plan.layers], back + plan.raw[plan.layers]
        memory, d_memory, written = here + plan.memory, back + plan.memory, back + plan.written
        write_back(
            d_memory, back_after + plan.memory, memory, raw + heads * per, after + plan.weightings,
            d_raw + heads * per, written, plan,
        )  # fmt: skip
        tl.debug_barrier()
        for head in range(heads):
            reading, writing = (m < plan.width) & (head < plan.reads), (n < plan.rows) & (head >= plan.reads)
            place = head * plan.width + m
            d_read = tl.load(back + plan.inputs[plan.layers] + plan.units + place, reading, 0)  # by the logits
            d_read += tl.load(back_after + plan.inputs[0] + plan.x + place, reading, 0)  # by the next step
            place = head * plan.rows
            d_weighting = tl.load(back_after + plan.weightings + place + n, n < plan.rows, 0)
            d_weighting += tl.load(written + place - plan.reads * plan.rows + n, writing, 0)
            address_back(
                d_weighting, d_read, d_memory, back + plan.again + place, back + plan.ring + place, memory,
                raw + head * per, d_raw + head * per,
                after + plan.weightings + place, here + plan.weightings + place, back + plan.weightings + place, plan,
            )  # fmt: skip
            tl.debug_barrier()
        control_back(here, after, weights, plan)
        after = here

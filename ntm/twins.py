"""What a fused twin may be handed. Whatever it would not honour is a reason to leave the call to the reference.

A twin computes what the classes of a cell say, from arrays, out of torch's sight. Who changes what a cell computes, or
wants to see or to transform torch's operations, needs the reference. And since compiled loops do not look where an
array ends, all that they are given is checked first.
"""

from functools import cache, partial
from itertools import chain
from operator import attrgetter, is_not, itemgetter
from types import NoneType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.modules.module import _has_any_global_hook
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

HOOKS = itemgetter("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
"""Of what a module has, what is to happen besides when it runs or goes back."""

DETAILS = attrgetter("shape", "dtype", "device", "layout")

PLAIN: frozenset[type] = frozenset({Tensor, nn.Parameter, NoneType})
"""What is a piece of memory and no more; a subclass may be anything."""


class Built(NamedTuple):
    """What a cell was built as."""

    spec: Any
    keys: list[str]  # see ``held``
    shapes: list[tuple[int, ...] | None]


def built(cell: Any) -> Built:
    """What a cell is built as; to be asked when it is complete."""
    keys, values = held(cell)
    return Built(cell.spec, keys, [None if value is None else tuple(value.shape) for value in values])


def parts(module: nn.Module) -> list[nn.Module]:
    """A module and all below it; asked at every call, and so without the names."""
    found = [module]
    for part in found:  # grows meanwhile
        found += [below for below in part._modules.values() if below is not None and below not in found]
    return found


def held(module: nn.Module) -> tuple[list[str], list[Tensor | None]]:
    """What its parts call their parameters and buffers, part after part, and these; None where a layer does without."""
    keys: list[str] = []
    values: list[Tensor | None] = []
    for part in parts(module):
        for kept in (part._parameters, part._buffers):
            keys += kept
            values += kept.values()
    return keys, values


def name(module: nn.Module, at: int) -> str:
    """The full name of what stands there in ``held``."""
    paths = {id(part): path for path, part in module.named_modules()}
    owners = [part for part in parts(module) for kept in (part._parameters, part._buffers) for _ in kept]
    return f"{paths[id(owners[at])]}.{held(module)[0][at]}".lstrip(".")


def tracing() -> bool:
    """Whether torch.jit.trace is at work, to which sizes are tensors."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


def unseen() -> str:
    """Who is at work and would not see what a twin does, or nothing."""
    if torch.compiler.is_compiling():
        return "torch.compile and torch.export see torch's operations alone"
    if tracing():
        return "torch.jit.trace sees torch's operations alone"
    if torch._C._are_functorch_transforms_active():
        return "torch.func transforms torch's operations alone"
    if forward_ad._current_level >= 0:
        return "forward-mode differentiation follows torch's operations alone"
    if is_in_torch_dispatch_mode():
        return "a dispatch mode (such as FakeTensorMode) sees torch's operations alone"
    return ""


def altered(module: nn.Module, cell: Any, made_of: frozenset[type]) -> str:
    """What makes a module compute something else than its classes say, or nothing.

    Hooks on the module itself do not count: whoever calls it runs them.

    Args:
        module: What is called.
        cell: What the twin computes; ``cell.built`` says as what.
        made_of: The classes that the twin knows.
    """
    if _has_any_global_hook():  # type: ignore[no-untyped-call]
        return "there are hooks on every module"
    below = parts(module)[1:]
    if not made_of.issuperset(map(type, below)):
        return f"a part is of another class, {(set(map(type, below)) - made_of).pop().__name__}"
    own = list(map(vars, below))
    if any(map(any, map(HOOKS, own))):
        return f"there is a hook on a {next(type(part).__name__ for part in below if hooked(part))}"
    if not methods(made_of).isdisjoint(chain.from_iterable(own)):
        return "a part has a method of its own"
    keys, values = held(cell)
    if differs(cell, keys):
        return "the cell is no longer made of what it was built from"
    if other := set(map(type, values)) - PLAIN:
        return f"a parameter or buffer is of another class, {other.pop().__name__}"
    return ""


def differs(cell: Any, keys: list[str]) -> bool:
    """Whether a cell has another spec, or other parameters and buffers, than it was built with."""
    was = cell.built
    return keys != was.keys or (cell.spec is not was.spec and cell.spec != was.spec)


def hooked(part: nn.Module) -> bool:
    """Whether something else is to happen when a module runs, or goes back."""
    return any(HOOKS(vars(part)))


@cache
def methods(made_of: frozenset[type]) -> frozenset[str]:
    """The names of what classes compute with: what they have and a bare module has not, and ``forward``."""
    own = {name for kind in made_of for name in dir(kind) if callable(getattr(kind, name))}
    return frozenset(own - set(dir(nn.Module)) | {"forward"})


@cache
def uncompiled() -> str:
    """Why nothing is compiled, or nothing."""
    try:
        from numba import config
    except Exception as error:  # a part of it that is missing or does not fit says so in many ways
        return f"numba does not import ({error})"
    return "numba is told not to compile (NUMBA_DISABLE_JIT)" if config.DISABLE_JIT else ""


class Look:
    """What a layer was made of when it was looked through; a glance tells whether it still is.

    To look through it takes a tenth of a millisecond, as much as some steps of training; this compares the same things
    without a line of Python a part.

    Args:
        module: The layer, neither altered nor without what it was built with.
        cell: What the twin computes.
    """

    def __init__(self, module: nn.Module, cell: Any) -> None:
        every = parts(module)
        self.of, self.spec, self.cell = id(module), cell.spec, vars(cell)
        self.below, self.own = every[1:], [vars(part) for part in every[1:]]
        self.modules = [part._modules for part in every]
        self.tensors: list[dict[str, Any]] = [kept for part in every for kept in (part._parameters, part._buffers)]
        self.weight = next(value for kept in self.tensors for value in kept.values() if value is not None)
        self.seen = self.glance()

    def holds(self, module: nn.Module) -> bool:
        """Whether the layer is still what was looked at."""
        hooks = any(map(any, map(HOOKS, self.own))) or _has_any_global_hook()  # type: ignore[no-untyped-call]
        return self.of == id(module) and self.cell["spec"] is self.spec and not hooks and self.glance() == self.seen

    def glance(self) -> tuple[list[Any], ...]:
        """Which parts, parameters and buffers there are, and of what shape, type and place."""
        values = list(chain.from_iterable(map(dict.values, self.tensors)))
        return (
            list(map(id, chain.from_iterable(map(dict.values, self.modules)))),
            list(map(type, self.below)),
            list(map(len, self.own)),
            list(chain.from_iterable(self.tensors)),
            list(map(id, values)),
            list(map(type, values)),
            list(map(DETAILS, filter(partial(is_not, None), values))),
        )


def check(cell: Any, inputs: Tensor, size: int, dtype: torch.dtype, device: torch.device) -> None:
    """Whether a twin's loops may be given these inputs and what the cell holds.

    Args:
        cell: ``cell.built`` says as what.
        inputs: (time, batch, size).
        size: Of the input.
        dtype: Of everything.
        device: Of everything.

    Raises:
        ValueError: It names what has another shape, type or place, and what is accepted.
    """
    check_inputs(inputs, size, dtype, device)
    intact(cell, dtype, device)


def check_inputs(inputs: Tensor, size: int, dtype: torch.dtype, device: torch.device) -> None:
    """Whether inputs are (time, batch, size), of this type in this place: see ``check``."""
    if not fits(inputs, (*inputs.shape[:2], size), dtype, device):
        raise ValueError(f"inputs of {said(inputs)}: accepted is (time, batch, {size}), {place(dtype, device)}")


def intact(cell: Any, dtype: torch.dtype, device: torch.device) -> None:
    """Whether a cell is still what it was built as, all of it of one type in one place: see ``check``."""
    keys, values = held(cell)
    if differs(cell, keys):
        raise ValueError(f"a cell that is no longer made of what it was built from, {cell.built.spec}: build another")
    for at, (value, shape) in enumerate(zip(values, cell.built.shapes, strict=True)):
        if value is None and shape is None:
            continue
        if value is None or shape is None or not fits(value, shape, dtype, device):
            raise ValueError(f"{name(cell, at)} of {said(value)}: accepted is {shape}, {place(dtype, device)}")


def fits(value: Tensor, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> bool:
    """Whether a tensor is of this shape and type, in this place."""
    return value.shape == shape and value.dtype == dtype and value.device == device and value.layout == torch.strided


def said(value: Tensor | None) -> str:
    """Shape, type and place of a tensor, in words."""
    if value is None:
        return "None"
    layout = "" if value.layout == torch.strided else f", {value.layout}"
    return f"{tuple(value.shape)}, {place(value.dtype, value.device)}{layout}"


def place(dtype: torch.dtype, device: torch.device) -> str:
    return f"{str(dtype).removeprefix('torch.')} on {device}"


def several(gradient: Tensor) -> str:
    """What is asked of a gradient beyond its value: to be differentiated again, or to be many at once. Or nothing."""
    if torch.is_grad_enabled():
        return "gives a gradient that cannot be differentiated again (create_graph=True)"
    if torch._C._functorch.is_legacy_batchedtensor(gradient) or torch._C._are_functorch_transforms_active():
        return "goes back for one gradient at a time, not for a batch of them (is_grads_batched, vectorize)"
    return ""


def once(name: str, gradient: Tensor) -> None:
    """Whether a twin may go back with a gradient by loops, which find its value and no more.

    Raises:
        RuntimeError: It is to be differentiated again, or there are several at once.
    """
    if why := several(gradient):
        raise RuntimeError(f"{name} {why}; set implementation='reference'")

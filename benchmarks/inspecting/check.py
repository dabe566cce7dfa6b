"""What an architecture must do to be compared with others: every property once.

``bench check`` tries them all on a file's arms, ``bench run`` those without which training would mean nothing, and the
tests all of them on every arm that a suite names.
"""

import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ...ntm import seeded, stream
from ..core import Experiment, longest
from ..errors import UsageError, reason
from ..objectives import Bits, Tokens
from ..outside import overheard
from ..protocols import Batch, Model, Size, Task, objective_of, pad, state_size
from ..training.evaluate import measured
from ..values import plain

SEED = 1

REMEDY = "accepted: `from membench.ntm import seeded`, and `with seeded(seed):` around what plain torch modules draw"


class Wrong(Exception):
    """A property does not hold: what came, and what is accepted."""


@dataclass(frozen=True)
class Case:
    """A model, and a task that it is built for."""

    model: Model
    task: Task

    def build(self, seed: int = SEED, around: int = 0) -> nn.Module:
        """A module, whatever torch's own generator is about to draw."""
        with seeded("check", around):
            module: object = self.model.build(self.task.inputs, self.task.outputs, seed)
        if not isinstance(module, nn.Module):
            raise Wrong(f"build gives {kind_text(module)}; accepted is a torch.nn.Module")
        return module

    @cached_property
    def module(self) -> nn.Module:
        """One of them, which properties leave as it is."""
        return self.build()

    @cached_property
    def batch(self) -> Batch:
        """A few short sequences."""
        return draw(self.task, short(self.task, 2))

    def logits(self, inputs: Tensor) -> Tensor:
        """As they are measured."""
        with torch.no_grad(), measured(self.module):
            return checked(self, self.module(inputs), inputs)


def draw(task: Task, size: Size, batch: int = 3) -> Batch:
    """Sequences, the same in every call."""
    return task.sample(size, batch, stream("contracts", str(size)))


def short(task: Task, more: int = 0) -> Size:
    """A size near the least trained on."""
    return tuple(min(numbers[0] + more, numbers[-1]) for numbers in task.train)


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two modules hold the same values."""
    return one.keys() == other.keys() and not differing(one, other)


def differing(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> list[str]:
    """The names of values that are not equal."""
    return [name for name, value in one.items() if name not in other or not _alike(value, other[name])]


def _alike(one: Tensor, other: Tensor) -> bool:
    """Equal, where what is no number equals itself."""
    return one.shape == other.shape and bool(((one == other) | ((one != one) & (other != other))).all())


def values_of(module: nn.Module) -> dict[str, Tensor]:
    """A copy of all values: parameters, and buffers even where they are not saved."""
    return {name: part.detach().clone() for name, part in (*module.named_parameters(), *module.named_buffers())}


def gradients(module: nn.Module, batch: Batch) -> dict[str, Tensor | None]:
    """Of a loss on the scored steps, by parameter; None where the loss does not depend on it."""
    named = dict(module.named_parameters())
    loss = (softplus(module(batch.inputs)) * batch.scored[..., None]).sum()
    return dict(zip(named, torch.autograd.grad(loss, list(named.values()), allow_unused=True), strict=True))


def kind_text(value: object) -> str:
    """What something is, in a few words."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if isinstance(value, tuple | list) and len(value) <= 4:
        return f"a {type(value).__name__} ({', '.join(map(kind_text, value))})"
    return f"a {type(value).__name__}"


def checked(case: Case, logits: object, inputs: Tensor) -> Tensor:
    """Logits, if it is logits that a module gave."""
    wanted = (*inputs.shape[:2], case.task.outputs)
    accepted = f"accepted is one tensor (time, batch, outputs), here float32 {wanted}"
    if not isinstance(logits, Tensor):
        first = ": the first of them?" if isinstance(logits, tuple | list) else ""
        raise Wrong(f"forward gives {kind_text(logits)}; {accepted}{first}")
    if logits.shape != wanted or logits.dtype != torch.float32:
        raise Wrong(f"forward gives {kind_text(logits)}; {accepted}")
    return logits


def close(one: Tensor, other: Tensor, what: str, accepted: str, atol: float = 1e-5, rtol: float = 1e-4) -> None:
    if not torch.allclose(one, other, atol=atol, rtol=rtol, equal_nan=True):
        raise Wrong(f"{what} by up to {float((one - other).abs().max()):.2g}; accepted is {accepted}")


def shape(case: Case) -> None:
    """One tensor of float32 logits, by parameters of float32 that are all trained."""
    if not (named := dict(case.module.named_parameters())):
        raise Wrong("it has no parameters; accepted is a module that can be trained")
    for name, parameter in named.items():
        if parameter.dtype != torch.float32:
            raise Wrong(f"{name} is {kind_text(parameter)}; accepted is float32, in which all is trained")
        if not parameter.requires_grad:
            raise Wrong(f"{name} requires no gradient; accepted are trained parameters, and buffers for what is fixed")
    case.logits(case.batch.inputs)


def unbounded(case: Case) -> None:
    """Of bits and tokens logits, not probabilities: with large weights some leave 0 to 1."""
    if not isinstance(objective_of(case.task), Bits | Tokens):
        return
    large = moved(case, 3.0)
    with torch.no_grad(), measured(large):
        logits = checked(case, large(case.batch.inputs), case.batch.inputs)
    if ((logits >= 0) & (logits <= 1)).all():
        raise Wrong(
            "forward gives numbers from 0 to 1 whatever the weights; accepted are logits, before a sigmoid or softmax"
        )


def moved(case: Case, size: float) -> nn.Module:
    """A module whose parameters are all moved by about so much."""
    module = case.build()
    with torch.no_grad():
        for n, parameter in enumerate(module.parameters()):
            parameter.add_(size * torch.randn(parameter.shape, generator=stream("moved", n)))
    return module


def same_build(case: Case) -> None:
    """A seed decides every value, whatever torch's own generator would draw."""
    if names := differing(values_of(case.module), values_of(case.build(around=1))):
        raise Wrong(f"two builds from seed {SEED} differ in {names[0]}; {REMEDY}")


def another_build(case: Case) -> None:
    """Another seed gives another module."""
    if same(values_of(case.module), values_of(case.build(SEED + 1))):
        raise Wrong(f"builds from seeds {SEED} and {SEED + 1} are equal: the seed is ignored; {REMEDY}")


def still_in_training(case: Case) -> None:
    """In training mode, too, equal inputs give equal logits."""
    with torch.no_grad():
        drops = _repeats(case.module, case.batch.inputs)
    if drops:
        parts = [name for name, part in case.module.named_modules() if _drops(part)]
        where = f" (in {', '.join(parts[:3])}{', ...' if parts[3:] else ''})" if parts else ""
        raise Wrong(f"in training mode {drops}{where}; accepted is what weights and inputs decide, so no dropout")


def still_while_measured(case: Case) -> None:
    """In evaluation mode equal inputs give equal logits."""
    with torch.no_grad(), measured(case.module):
        if drops := _repeats(case.module, case.batch.inputs):
            raise Wrong(f"while measured {drops}; accepted is a forward that .eval() makes a function of its inputs")


def _repeats(module: nn.Module, inputs: Tensor) -> str:
    """How two passes differ, if they do."""
    with seeded("check"):
        before = torch.get_rng_state()
        one, other = module(inputs), module(inputs)
        if not before.equal(torch.get_rng_state()):
            return "it draws at random"
    return "" if _alike(one, other) else "two passes over the same inputs differ"


def _drops(part: nn.Module) -> bool:
    chance = getattr(part, "p", 0) or getattr(part, "dropout", 0)
    return isinstance(chance, int | float) and chance > 0


def still_parts(case: Case) -> None:
    """A pass changes no buffer, no parameter and not its inputs."""
    inputs, before = case.batch.inputs.clone(), values_of(case.module)
    case.module(inputs)
    if names := differing(before, values_of(case.module)):
        raise Wrong(f"a pass changes {names[0]}; accepted are modules that remember nothing but their parameters")
    if not inputs.equal(case.batch.inputs):
        raise Wrong("a pass changes its inputs in place; accepted is a forward that leaves them alone")


def finite(case: Case) -> None:
    """At first, logits and gradients are numbers."""
    for inputs in (case.batch.inputs, long(case)):
        if not case.logits(inputs).isfinite().all():
            raise Wrong(f"logits over {len(inputs)} steps are not finite")
    for name, gradient in gradients(case.module, case.batch).items():
        if gradient is not None and not gradient.isfinite().all():
            raise Wrong(f"the gradient of {name} is not finite")


def reach(case: Case) -> None:
    """Every parameter gets a gradient, once all have moved a little: some begin at zero, behind others at zero."""
    for name, gradient in gradients(moved(case, 0.1), case.batch).items():
        if gradient is None or not gradient.any():
            raise Wrong(f"no gradient reaches {name}")


def independent(case: Case) -> None:
    """A sequence gives alone what it gives in whatever company."""
    inputs = case.batch.inputs.clone()
    together = case.logits(inputs)
    alone = torch.cat([case.logits(inputs[:, n : n + 1]) for n in range(inputs.shape[1])], dim=1)
    accepted = "a forward that reads (time, batch, inputs), each sequence by itself; is a layer built with batch_first?"
    close(together, alone, "a sequence alone differs from the same among others", accepted)
    inputs[:, 1:] = 1 - inputs[:, 1:]
    others = "a sequence differs with the others of its batch"
    close(case.logits(inputs)[:, :1], together[:, :1], others, accepted, atol=1e-6, rtol=1e-5)


def padding(case: Case) -> None:
    """Silent steps after the end change neither logits before it nor gradients."""
    parts = [draw(case.task, short(case.task), 2), case.batch]
    padded = pad(parts)
    logits, start = case.logits(padded.inputs), 0
    for part in parts:
        steps, batch, _ = part.inputs.shape
        before = logits[:steps, start : start + batch]
        differ, accepted = "with steps after the end, logits before it differ", "a forward that looks back alone"
        close(before, case.logits(part.inputs), differ, accepted)
        start += batch
    apart = [gradients(case.module, part) for part in parts]
    whole = {name: part for name, part in gradients(case.module, padded).items() if part is not None}
    scale = torch.cat([part.flatten() for part in whole.values()]).norm()
    for name, together in whole.items():
        each = torch.stack([found for part in apart if (found := part[name]) is not None])
        if not (together - each.sum(0)).norm() <= 1e-5 * scale:
            raise Wrong(f"with steps after the end, the gradient of {name} differs")


def longer(case: Case) -> None:
    """Sequences of the longest test, and longer than any trained on, can be read."""
    case.logits(long(case))


def long(case: Case) -> Tensor:
    """Inputs of so many steps, (time, 1, inputs)."""
    steps = max([longest(case.task) + 5, *(case.task.steps(size) for size in case.task.test)])
    return torch.rand(steps, 1, case.task.inputs, generator=stream("longer"))


def counted(case: Case) -> None:
    """``state_size``, where there is one, is a number of floats."""
    size = state_size(case.model, longest(case.task))
    if size is not None and (type(size) is not int or size < 1):
        raise Wrong(f"state_size gives {size!r}; accepted is a whole number from 1 on, or no such method")


Property = Callable[[Case], None]

NEEDED: Mapping[str, Property] = {
    "output shape": shape,
    "outputs are logits": unbounded,
    "same seed, same build": same_build,
    "another seed, another build": another_build,
    "inputs and buffers stay as they are": still_parts,
    "no dropout left on while measured": still_while_measured,
    "nothing drawn at random in training mode": still_in_training,
    "longer than trained works": longer,
    "batch elements are independent": independent,
    "state size is a number": counted,
}
"""Without these a training would fail later, or mean nothing: no run starts."""

PROPERTIES: Mapping[str, Property] = {
    **NEEDED,
    "finite": finite,
    "gradients reach every parameter": reach,
    "padding after the end changes nothing before": padding,
}


def wrong(case: Case, holds: Property) -> str:
    """How a property does not hold; empty where it does."""
    try:
        with overheard():
            holds(case)
    except Wrong as found:
        return str(found)
    except (Exception, SystemExit) as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = _own(error, case.model) or f"{Path(frame.filename).name}, line {frame.lineno}"
        return f"{type(error).__name__}: {reason(error)} ({where})"
    return ""


def _own(error: BaseException, model: Model) -> str:
    """The last line of the model's own file that an error came through."""
    mine = getattr(sys.modules.get(type(model).__module__), "__file__", None)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == mine]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""


def distinct(experiments: Iterable[Experiment]) -> Iterator[tuple[Experiment, Case]]:
    """Every pair of a model and a task once, tested ones too, with the first experiment that has it."""
    seen = set()
    for experiment in experiments:
        for model in filter(None, (experiment.model, experiment.tested)):
            if (key := str([plain(model), plain(experiment.task)])) not in seen:
                seen.add(key)
                yield experiment, Case(model, experiment.task)


def refuse(experiments: Iterable[Experiment]) -> None:
    """See that arms can be trained at all, before any run starts.

    Those that come with membench are not tried: its tests do that.

    Raises:
        UsageError: A task of a user's own does not give what it announces, or a model is not what is accepted.
    """
    for experiment, case in distinct(experiments):
        if not ours(case.task) and (found := wrong(case, announced)):
            raise UsageError(f"task {experiment.task_name}: {found}")
        for holds in NEEDED.values() if not ours(case.model) else ():
            if found := wrong(case, holds):
                raise UsageError(f"{experiment.key}: {found}")


def announced(case: Case) -> None:
    """A task's sequences have the channels and steps that it announces, and targets of its objective's kind.

    They are decided by the generator alone.
    """
    task, size = case.task, short(case.task)
    batch, again = draw(task, size), draw(task, size)
    for name, part, channels in (
        ("inputs", batch.inputs, (task.inputs,)),
        ("targets", batch.targets, (task.outputs,)),
        ("scored", batch.scored, ()),
    ):
        if part.shape != (wanted := (task.steps(size), 3, *channels)) or part.dtype != torch.float32:
            raise Wrong(
                f"sample gives {name} {kind_text(part)}; by its steps and channels accepted is float32 {wanted}"
            )
        if not part.equal(getattr(again, name)):
            raise Wrong(
                f"sample draws other {name} from the same generator; accepted is a sample that takes all chance from it"
            )
    asked, objective = batch.targets[batch.scored > 0], objective_of(task)
    if isinstance(objective, Bits) and not ((asked >= 0) & (asked <= 1)).all():
        raise Wrong(f"sample gives targets from {asked.min():g} to {asked.max():g}; accepted for bits are 0 to 1")
    if isinstance(objective, Tokens) and not ((asked.amax(dim=-1) == 1) & (asked.abs().sum(dim=-1) == 1)).all():
        raise Wrong(
            "sample gives targets that are no symbol; accepted for tokens is one 1 among zeros in a scored step"
        )


def ours(value: Any) -> bool:
    """Whether its class comes with membench."""
    return type(value).__module__.startswith("membench.")

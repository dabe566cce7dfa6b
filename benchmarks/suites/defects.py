"""Would the curve have told you? Wiring bugs that were published, each beside the sound model.

Every one of them stood in public code, and some for years, since what has them learns. Here each is an arm, on a copy
and a recall that the sound NTM learns in minutes; sorting has a task that is defective, and an optimiser with a wrong
sign is set beside the right one. What tells of a defect, if the curve does not, is said in the notes.

Tags: [c] in the code named, [a] said by an author or user in a thread, [o] our choice. Claims, seeds and budgets were
named before the first run of any arm, on 30 November 2026; learning rate, budgets and recall's size after a few runs of
the sound model with seed 100, which is none of the suite's; copy was then made smaller still, untried.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Generator, Tensor

from ...baselines.defects import Defective
from ...ntm import NTM, Constant, LSTMController, OneHot, Zeros
from ...report.claims import Claim, Differs, Solves
from ..core import Experiment, Suite, Training
from ..optimizers import Adam, ElementWise, GravesRMSProp, Moments, Rates, add, sqrt
from ..protocols import Batch, Model, Size, Task
from ..tasks.copy import Copy
from ..tasks.recall import Recall
from ..tasks.sort import Sort


@dataclass(frozen=True)
class SignError(GravesRMSProp):
    """Graves's RMSProp with the mean square *plus* the squared mean (snipsco/ntm-lasagne, 65c950b) [c]."""

    def move(
        self, parameters: Tensor, gradients: Tensor, state: Moments, rates: Rates, decayed: Sequence[slice] = ()
    ) -> None:
        """As ``GravesRMSProp.move``."""
        momentum, square, mean, (rate,) = state.first, state.second, state.third, rates
        assert mean is not None  # begin gave one
        square.mul_(self.decay).addcmul_(gradients, gradients, value=1 - self.decay)
        mean.mul_(self.decay).add_(gradients, alpha=1 - self.decay)
        root = sqrt(square.addcmul(mean, mean, value=1).add_(self.epsilon))
        add(momentum.mul_(self.momentum), -rate, gradients, root)
        parameters.add_(momentum)


@dataclass(frozen=True)
class SortApart(Sort):
    """Sorting whose answer sorts every column on its own (vlgiitr/ntm-pytorch, 9bea8b1) [c]."""

    def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
        """As ``Sort.sample``."""
        inputs, targets, scored = super().sample(size, batch, generator)
        shown, answers = size
        columns = inputs[:shown, :, : self.bits].sort(dim=0, descending=True).values
        targets[shown + 1 :] = columns[:answers]
        return Batch(inputs, targets, scored)


TASKS: dict[str, Task] = {
    "copy": Copy(bits=4, train=(range(1, 11),), test=((20,),), encoding="graves"),
    "recall": Recall(bits=4, vectors=2, train=(range(2, 5),), test=((6,),)),
    "sort": Sort(bits=4, train=(range(6, 7), range(4, 5)), test=((8, 6),)),
    "sort-apart": SortApart(bits=4, train=(range(6, 7), range(4, 5)), test=((8, 6),)),
}

EVALUATED: dict[str, tuple[Size, ...]] = {
    "copy": tuple((length,) for length in range(1, 11)),
    "recall": tuple((items,) for items in (2, 3, 4)) * 3,
    "sort": ((6, 4),) * 8,
    "sort-apart": ((6, 4),) * 8,
}

STEPS = {"copy": 3000, "recall": 8000, "sort": 8000, "sort-apart": 8000}

SOUND = NTM(
    rows=32,
    width=16,
    memory=Constant(1e-6),
    read=Zeros(),
    read_weighting=OneHot(0),
    write_weighting=OneHot(0),
    controller=LSTMController(units=64),
)

DEFECTS: dict[str, tuple[Model, str, str]] = {
    "write-follows-read": (
        Defective("write follows read", SOUND),
        "the write head goes on from where the read head was",
        "clemkoa/ntm, issue 8 [a]",
    ),
    "softmax-over-batch": (
        Defective("softmax over the batch", SOUND),
        "softmaxes run over the batch",
        "loudinthecloud/pytorch-ntm, 5c5ce66 to 64f1d58 [c]",
    ),
    "gate-missing": (
        dataclasses.replace(SOUND, gated=False),
        "the gate is missing on the content weighting",
        "kuc2477/pytorch-ntm [c]",
    ),
    "reads-not-fed-back": (
        dataclasses.replace(SOUND, feedback=False),
        "what is read never reaches the controller",
        "kuc2477/pytorch-ntm [c]; ixaxaar/pytorch-dnc has the same [c]",
    ),
    "shift-discarded": (
        dataclasses.replace(SOUND, reach=0),  # what is computed and then discarded is not computed here
        "the shift is computed and discarded",
        "Schmidinger 2019, focus_head [c]",
    ),
}
"""By an arm's name: its model, what is wrong, and where it stood."""

ON = ("copy", "recall")


def training(task: str) -> Training:
    """How every arm but the optimiser's is trained."""
    return Training(
        optimizer=Adam(3e-3),  # [o]
        batch=16,  # [o]
        steps=STEPS[task],  # [o]
        eval_every=100,  # [o]
        eval_sizes=EVALUATED[task],
        eval_batch=32,
    )


def by_graves(task: str, optimizer: GravesRMSProp) -> Training:
    """Trained as Graves et al. 2014, at ten times their learning rate since there are sixteen sequences a step."""
    return dataclasses.replace(training(task), optimizer=optimizer, clip=ElementWise(10.0), steps=2 * STEPS[task])


def experiments() -> tuple[Experiment, ...]:
    """Task by task, the sound arm first."""
    table = []
    for name in ON:
        task = TASKS[name]
        table.append(Experiment(name, task, "sound", SOUND, training(name)))
        table += [Experiment(name, task, arm, model, training(name)) for arm, (model, _, _) in DEFECTS.items()]
        table.append(Experiment(name, task, "sound-rmsprop", SOUND, by_graves(name, GravesRMSProp(1e-3))))
        table.append(Experiment(name, task, "sign-error", SOUND, by_graves(name, SignError(1e-3))))
    for name in ("sort", "sort-apart"):
        table.append(Experiment(name, TASKS[name], "sound", SOUND, training(name)))
    return tuple(table)


def claims() -> tuple[Claim, ...]:
    """Of every defect: what has it learns all the same, and its curve is another."""
    found = {**{arm: (what, where, "sound") for arm, (_, what, where) in DEFECTS.items()}}
    found["sign-error"] = (
        "the optimiser adds the squared mean gradient where it should take it off",
        "snipsco/ntm-lasagne, 65c950b [c]",
        "sound-rmsprop",
    )
    asked: list[Claim] = []
    for task in ON:
        for arm, (what, where, sound) in found.items():
            asked.append(
                Solves(f"defects-{arm}-{task}", f"Where {what}, {task} is learned all the same.", where, task, (arm,))
            )
            asked.append(
                Differs(
                    f"defects-{arm}-{task}-told",
                    f"The time to learn {task} tells that {what}.",
                    "[o] would the curve have told?",
                    task,
                    base=sound,
                    rival=arm,
                )
            )
    asked.append(
        Solves(
            "defects-sort-apart",
            "Where every column is sorted on its own, the task is learned all the same.",
            "vlgiitr/ntm-pytorch, 9bea8b1 [c]",
            "sort-apart",
            ("sound",),
        )
    )
    return tuple(asked)


suite = Suite(
    name="defects",
    title="Would the curve have told you? Published wiring bugs beside the sound model",
    experiments=experiments(),
    seeds=tuple(range(1, 6)),
    solved=0.1,
    claims=claims(),
    sources={
        "task": "[o] small enough for minutes",
        "training": "[o]",
        "model": "[o] a small NTM whose heads begin on row 0; defects as their code has them [c, a]",
        "seeds": "[o] five",
        "solved": "[o] below 0.1 wrong bits a sequence",
    },
    notes="What tells of a defect whatever its curve: a softmax over the batch, `bench check`, since a sequence alone "
    "gives something else than in company; columns sorted apart, a test that every answer is a vector that was shown; "
    "the others a second, plainer implementation with gradients, and nothing that looks at outputs alone.\n"
    "A shift that is discarded is run as shifts of 0 alone: it computes the same, without the parameters it wastes.\n"
    "Two arms run by the reference, the others by the fused step.",
)

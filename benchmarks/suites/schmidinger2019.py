"""Schmidinger 2019, "Exploring Neural Turing Machines" (blog post, December 2019): do its stabilising tricks help?

The post begins with a basic cell (zero memory and states, every head on the first row) and adds tricks that it says
make training stable. It reports no run. Here every trick is added to the basic cell alone, and taken alone from the
full one. What the post leaves open (task, optimiser, sizes) is collier2018's, over the thesis code's budget. Tags as
there; [s] is the post.
"""

import dataclasses

from ...ntm import NTM, Constant, Learned, LSTMController, OneHot, Random, Scaled, Zeros
from ...report.claims import Claim, Faster, FewerRelapses
from ..core import Experiment, Suite, Training
from ..optimizers import GlobalNorm
from .collier2018 import TASKS, training

BASIC = NTM(
    memory=Zeros(),  # [s]
    read=Zeros(),  # [s]
    read_weighting=OneHot(row=0),  # [s]
    write_weighting=OneHot(row=0),  # [s]
    controller=LSTMController(units=100, layers=1, forget_bias=0.0, state=Zeros()),
    clip_heads=None,
    clip_output=None,
)

Change = tuple[NTM, Training]


def trick(name: str, model: NTM, trained: Training) -> Change:
    """The model and its training with one trick set as the post prints it."""
    controller = model.controller
    assert isinstance(controller, LSTMController)
    changed: NTM | None = None
    match name:
        case "state":  # learned h0 and c0 = rand * alpha, alpha 0.05
            changed = dataclasses.replace(model, controller=dataclasses.replace(controller, state=Scaled(0.05)))
        case "state-unscaled":  # the same without alpha
            changed = dataclasses.replace(model, controller=dataclasses.replace(controller, state=Scaled(1.0)))
        case "read":  # learned r0 = randn, unscaled
            changed = dataclasses.replace(model, read=Random(std=1.0, trainable=True, squash=False))
        case "weighting":  # learned w0: softmax of randn for the read head, of rand for the write head
            changed = dataclasses.replace(model, read_weighting=Learned("normal"), write_weighting=Learned("uniform"))
        case "memory":  # constant 1e-6, not trained
            changed = dataclasses.replace(model, memory=Constant(1e-6))
        case "forget-bias-1":
            changed = dataclasses.replace(model, controller=dataclasses.replace(controller, forget_bias=1.0))
        case "forget-bias":  # printed: 1.0 on both of PyTorch's bias vectors, which makes 2
            changed = dataclasses.replace(model, controller=dataclasses.replace(controller, forget_bias=2.0))
        case "clip":  # by norm; the post names no bound, collier2018's is 50
            return model, dataclasses.replace(trained, clip=GlobalNorm(50.0))
        case "stack":  # a linear layer, then three LSTM layers
            changed = dataclasses.replace(model, controller=dataclasses.replace(controller, layers=3, inlet=100))
    if changed is None:
        raise ValueError(f"no trick {name!r}")
    return changed, trained


TRICKS = ("state", "read", "weighting", "memory", "forget-bias", "clip", "stack")


def with_tricks(*names: str) -> Change:
    """The basic cell with these tricks."""
    model, trained = BASIC, dataclasses.replace(training("copy"), steps=15_625, clip=None)
    for name in names:
        model, trained = trick(name, model, trained)
    return model, trained


def experiments() -> tuple[Experiment, ...]:
    """The basic cell, each trick added to it, all of them, and all but each."""
    arms = {"basic": with_tricks()}
    arms |= {f"basic-with-{name}": with_tricks(name) for name in (*TRICKS, "state-unscaled", "forget-bias-1")}
    arms["full"] = with_tricks(*TRICKS)
    arms |= {f"full-without-{name}": with_tricks(*(t for t in TRICKS if t != name)) for name in TRICKS}
    arms["full-with-state-unscaled"] = with_tricks(*TRICKS, "state-unscaled")
    arms["full-with-forget-bias-1"] = with_tricks(*TRICKS, "forget-bias-1")
    return tuple(Experiment("copy", TASKS["copy"], name, *change) for name, change in arms.items())


POST = "Schmidinger 2019 [s], which reports no run"


def helps(id: str, trick: str, text: str, steadier: bool = False) -> tuple[Claim, ...]:
    """Solves sooner with it, and relapses less: added to the basic cell, and against the full cell without it."""
    pairs = {
        ("added", "Added to the basic cell"): (f"basic-with-{trick}", "basic"),
        ("removed", "Against the full cell without it"): ("full", f"full-without-{trick}"),
    }
    asked: list[Claim] = []
    for (how, said), (base, rival) in pairs.items():
        name = f"schmid2019-{id}-{how}"
        asked.append(Faster(name, f"{text} {said}, copy is solved sooner.", POST, "copy", base, rival))
        if steadier:
            less = f"{text} {said}, it relapses less."
            asked.append(FewerRelapses(f"{name}-relapses", less, POST, "copy", base, (rival,)))
    return tuple(asked)


suite = Suite(
    name="schmidinger2019",
    title="Do the tricks of a much-read post make an NTM's training stable?",
    paper="Schmidinger 2019, Exploring Neural Turing Machines (blog post)",
    experiments=experiments(),
    seeds=tuple(range(1, 6)),
    solved=0.1,
    claims=(
        *helps("C1a", "state", "Learned first controller states stabilise training.", steadier=True),
        *helps("C1b", "read", "A learned first read vector stabilises training.", steadier=True),
        *helps("C1c", "weighting", "Learned first weightings stabilise training.", steadier=True),
        *helps("C1d", "memory", "A small constant memory stabilises training.", steadier=True),
        *helps("C1e", "clip", "Clipping gradients by their norm stabilises training.", steadier=True),
        *helps("stack", "stack", "The post's controller, three LSTM layers behind a linear one, helps."),
        *helps("C2", "forget-bias", "A forget gate's bias of at least one helps."),
        Faster(
            "schmid2019-C2-one",
            "A forget gate's bias of one, not two as printed on both of PyTorch's vectors, helps the basic cell.",
            POST,
            "copy",
            base="basic-with-forget-bias-1",
            rival="basic",
        ),
        Faster(
            "schmid2019-C3",
            "Scaling the learned states by alpha = 0.05 helps.",
            POST,
            "copy",
            base="full",
            rival="full-with-state-unscaled",
        ),
    ),
    sources={
        "model": "[s] the post's cell; sizes of collier2018 [c]",
        "training": "[o] collier2018's: the post trains nothing",
        "training.clip": "[s] by norm; the bound is collier2018's [c]",
    },
)

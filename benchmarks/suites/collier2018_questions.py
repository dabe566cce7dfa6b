"""What a reviewer would ask of collier2018 and its audit, on copy and recall.

- The audit found that a first weighting fixed on one row decides. Which part of that does: is it this row, that it is
  not trained, or that both heads begin on the same one?
- The audit's random memory is drawn once a run. What if every sequence has a draw of its own?
- All arms are trained at the learning rate 1e-3. Does what is found of constant memory, learned memory and the LSTM
  hold at 3e-4 and 3e-3?
- The LSTM's output layer begins from a truncated normal here (std 0.055) and from Glorot's uniform in the authors' code
  (0.087). Does it matter? Five runs of each.

Arms that are collier2018's or its audit's own are shared with them. Named before the first run of any other, on 30
November 2026: the claims below, five seeds, and the budgets: the audit's 15,625 steps, and collier2018's 31,250 for the
LSTM's other output layer, since an LSTM solves copy only after 17,000.
"""

import dataclasses

from ...baselines.lstm import LSTM
from ...ntm import Glorot, OneHot, Random, Redrawn, Weights
from ...report.claims import Claim, Differs, Faster
from ..core import Experiment, Suite
from ..optimizers import Adam
from .collier2018 import ntm
from .collier2018 import suite as collier2018
from .collier2018_audit import experiment, half, model_of
from .collier2018_audit import suite as audit

ON = ("copy", "recall")

ONE_ROW = "ntm-constant-fixed-one-hot"
KEPT = "ntm-random-fixed-one-hot"

FAR = 64  # of 128 rows, the farthest from row 0 [o]
ROWS: dict[str, tuple[OneHot, OneHot]] = {
    "ntm-constant-fixed-another-row": (OneHot(FAR), OneHot(FAR)),
    "ntm-constant-fixed-one-hot-trained": (OneHot(0, trainable=True), OneHot(0, trainable=True)),
    "ntm-constant-fixed-two-rows": (OneHot(0), OneHot(FAR)),
}
"""The first weightings of the read and of the write head, where the audit's are both fixed on row 0."""

REDRAWN = "ntm-random-redrawn-one-hot"

RATES = {"3e-4": 3e-4, "3e-3": 3e-3}
"""Beside collier2018's own 1e-3."""

GLOROT = "lstm-glorot-output"


def shared(suite: Suite, *arms: str) -> list[Experiment]:
    """Arms of another suite on copy and recall, under cosine or no reading."""
    found = [
        e for e in suite.experiments if e.task_name in ON and (e.arm or e.model_name) in arms and e.reading != "dot"
    ]
    return [dataclasses.replace(arm, home=arm.home or suite.name) for arm in found]


def of_rows(task: str) -> list[Experiment]:
    """The audit's one row, taken apart; and its random memory, drawn anew."""
    one_row = model_of("constant", "fixed", "one-hot", "cosine")
    table = []
    for arm, (read, write) in ROWS.items():
        model = dataclasses.replace(one_row, read_weighting=read, write_weighting=write)
        table.append(experiment(task, arm, "cosine", model))
    redrawn = dataclasses.replace(model_of("random", "fixed", "one-hot", "cosine"), memory=Redrawn(Random(std=0.5)))
    return [*table, experiment(task, REDRAWN, "cosine", redrawn)]


def of_rates(task: str) -> list[Experiment]:
    """Constant memory, learned memory and the LSTM at other learning rates."""
    lstm = next(e for e in collier2018.experiments if e.key == f"{task}/lstm")
    table = []
    for name, rate in RATES.items():
        trained = dataclasses.replace(half(task), optimizer=Adam(rate))
        for memory in ("constant", "learned"):
            table.append(experiment(task, f"ntm-{memory}-{name}", "cosine", ntm(memory, "cosine"), trained))
        table.append(dataclasses.replace(lstm, model_name=f"lstm-{name}", training=trained))
    return table


def glorot() -> Experiment:
    """The LSTM whose output layer begins as the authors'."""
    lstm = next(e for e in collier2018.experiments if e.key == "copy/lstm")
    assert isinstance(lstm.model, LSTM)
    return dataclasses.replace(
        lstm, model_name=GLOROT, model=dataclasses.replace(lstm.model, output_weights=Weights(Glorot()))
    )


def claims() -> tuple[Claim, ...]:
    """What is asked of every arm."""
    ours = "[o] asked of the audit"
    asked: list[Claim] = []
    parts = {
        "trained": ("ntm-constant-fixed-one-hot-trained", "whether the row that heads begin on is trained"),
        "two-rows": ("ntm-constant-fixed-two-rows", "whether both heads begin on one row or on two"),
    }
    for task in ON:
        for name, (arm, what) in parts.items():
            asked.append(
                Differs(
                    f"questions-{name}-{task}", f"On {task}, it matters {what}.", ours, task, base=ONE_ROW, rival=arm
                )
            )
        asked.append(
            Differs(
                f"questions-redrawn-{task}",
                f"On {task}, it matters whether random memory is drawn once or anew for every sequence.",
                ours,
                task,
                base=KEPT,
                rival=REDRAWN,
            )
        )
        for rate in RATES:
            for rival in ("ntm-learned", "lstm"):
                asked.append(
                    Faster(
                        f"questions-{rival.removeprefix('ntm-')}-{rate}-{task}",
                        f"On {task}, constant memory is faster than {rival} at a learning rate of {rate} too.",
                        "[o] the paper's finding at 1e-3, asked at another rate",
                        task,
                        base=f"ntm-constant-{rate}",
                        rival=f"{rival}-{rate}",
                    )
                )
    asked.append(
        Differs(
            "questions-lstm-output",
            "On copy, it matters whether the LSTM's output layer begins as the authors'.",
            "[o] a deviation from the authors' code",
            "copy",
            base="lstm",
            rival=GLOROT,
        )
    )
    return tuple(asked)


suite = Suite(
    name="collier2018-questions",
    title="The one row taken apart, memory drawn anew, other learning rates, and the LSTM's output layer",
    paper=collier2018.paper,
    experiments=(
        *shared(collier2018, "ntm-constant", "ntm-learned", "lstm"),
        *shared(audit, ONE_ROW, KEPT),
        *(arm for task in ON for arm in (*of_rows(task), *of_rates(task))),
        glorot(),
    ),
    seeds=tuple(range(1, 6)),
    solved=collier2018.solved,
    claims=claims(),
    sources={
        **collier2018.sources,
        "training.steps": "[c] thesis code: 15,625; released code: 31,250, of an LSTM at 1e-3",
        "training.optimizer": "[a] Adam 1e-3; 3e-4 and 3e-3 [o]",
    },
    notes="With a constant memory all rows are alike, so which row both heads begin on cannot matter but for the order "
    "of sums. No claim is made of ntm-constant-fixed-another-row: it shows how far rounding alone moves a time.\n"
    "A memory drawn anew is measured on 32 draws of its own, the same ones at every evaluation.",
)

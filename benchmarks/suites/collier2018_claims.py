"""What Collier & Beel 2018 (arXiv 1807.08518) claim, as far as the arms of the suite ``collier2018`` can answer.

Sources: [p] the abstract, [s] a section-by-section summary of the paper by others, whose ratios reproduce the
abstract's number exactly ((3.5 + 1.35 + 1.15) / 3 = 2.00), [a] the authors in the README of the released code
(MarkPKCollier/NeuralTuringMachine) and its threads. C1 to C5 are the primary set, named before any run: they are the
paper's finding about memory initialisation. C12, which is about the optimiser, belongs to another suite.
"""

from ...report.claims import (
    Claim,
    Degrades,
    Faster,
    FewerRelapses,
    Generalises,
    MeanFaster,
    NeverDiverges,
    NeverSolves,
    Order,
)

ABSTRACT = "Collier & Beel 2018, abstract [p]"
RESULTS = "Collier & Beel 2018, results, as summarised by others [s]"
README = "README of the released code [a]"
THREAD = "an author, fifth thread of the released code, February 2019 [a]"

TASKS = ("copy", "repeat-copy", "recall")
CONSTANT, LEARNED, RANDOM = "ntm-constant", "ntm-learned", "ntm-random"


def faster(
    id: str, text: str, task: str, rival: str, paper: float | tuple[float, float], primary: bool = False
) -> Faster:
    """The NTM with constant memory solves the task so many times faster than the rival."""
    return Faster(f"collier2018-{id}", text, RESULTS, task, CONSTANT, rival, paper, primary=primary)


def steadier(id: str, task: str) -> FewerRelapses:
    """The NTM with constant memory relapses less often than the others."""
    text = f"On {task}, constant memory is much more stable than the other initialisations."
    return FewerRelapses(f"collier2018-{id}", text, THREAD, task, CONSTANT, (LEARNED, RANDOM))


CLAIMS: tuple[Claim, ...] = (
    MeanFaster(
        "collier2018-C1",
        "Constant memory converges on average twice as fast as the next best initialisation.",
        ABSTRACT,
        TASKS,
        base=CONSTANT,
        rivals=(LEARNED, RANDOM, LEARNED),  # the next best of each task [s]
        paper=2.0,
        primary=True,
    ),
    faster("C2", "On copy, constant memory is 3.5 times as fast as learned.", "copy", LEARNED, 3.5, primary=True),
    NeverSolves(
        "collier2018-C3",
        "On copy, random memory does not solve the task in the time given.",
        RESULTS,
        "copy",
        RANDOM,
        primary=True,
    ),
    faster(
        "C4a",
        "On repeat copy, constant memory is 1.43 times as fast as learned.",
        "repeat-copy",
        LEARNED,
        1.43,
        primary=True,
    ),
    faster(
        "C4b",
        "On repeat copy, constant memory is 1.35 times as fast as random.",
        "repeat-copy",
        RANDOM,
        1.35,
        primary=True,
    ),
    faster(
        "C5a",
        "On associative recall, constant memory is 1.15 times as fast as learned.",
        "recall",
        LEARNED,
        1.15,
        primary=True,
    ),
    faster(
        "C5b",
        "On associative recall, constant memory is 5.3 times as fast as random.",
        "recall",
        RANDOM,
        5.3,
        primary=True,
    ),
    Faster(
        "collier2018-C6",
        "On copy, the DNC is 1.2 times as fast as the NTM.",
        RESULTS,
        "copy",
        base="dnc",
        rival=CONSTANT,
        paper=1.2,
    ),
    faster("C7", "On copy, the NTM is 4 to 5 times as fast as the LSTM.", "copy", "lstm", (4.0, 5.0)),
    faster("C8a", "On associative recall, NTM and DNC are about equally fast.", "recall", "dnc", 1.0),
    NeverSolves(
        "collier2018-C8b",
        "On associative recall, the LSTM does not solve the task in the time given.",
        RESULTS,
        "recall",
        "lstm",
    ),
    Order(
        "collier2018-C9",
        "On repeat copy, NTM and DNC both solve the task before the LSTM does.",
        RESULTS,
        "repeat-copy",
        first=(CONSTANT, "dnc"),
        last="lstm",
    ),
    NeverDiverges("collier2018-C10", "Training never produces NaN.", README, TASKS, (CONSTANT, LEARNED, RANDOM)),
    steadier("C11a", "copy"),
    steadier("C11b", "repeat-copy"),
    steadier("C11c", "recall"),
    Degrades(
        "collier2018-C13a",
        "An NTM that learned to copy up to 20 vectors makes mistakes at 40.",
        README,
        "copy",
        CONSTANT,
        size=(40,),
    ),
    Generalises(
        "collier2018-C13b",
        "An NTM that learned to recall among 6 items recalls perfectly among 12.",
        README,
        "recall",
        CONSTANT,
        size=(12,),
    ),
)

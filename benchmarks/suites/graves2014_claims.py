"""What Graves et al. 2014 (arXiv 1410.5401) say, as far as the arms of the suite ``graves2014`` can answer.

Sources: [p] printed; "figure" where a number was read off one by others, good to about a tenth [s]; [d] derived from
the printed numbers of parameters; [o] ours. C1, C7c, C10 and C11, the paper's finding that NTMs learn what an LSTM does
not, are the primary set, named before any run. How heads copy and sort, when the end is said and how long the LSTM is
right (C13, C12, C6, C3) the paper shows on one sequence each; here it is told from the numbers of inspections.
"""

from math import inf

from ...report.claims import (
    Cheaper,
    Claim,
    Degrades,
    Differs,
    Excess,
    Faster,
    FewerErrors,
    Generalises,
    NeverSolves,
    Order,
    Parameters,
    Shows,
    Shrinks,
    Solves,
)

PAPER = "Graves et al. 2014, section {} [p]"
TABLE = "Graves et al. 2014, table 3 [p]; wiring and channels [d]"
FF, RECURRENT, LSTM = "ntm-ff", "ntm-lstm", "lstm"
BOTH = {"a": FF, "b": RECURRENT}
WITH = {FF: "a feedforward controller", RECURRENT: "an LSTM controller"}


def each(id: str, text: str) -> list[tuple[str, str, str]]:
    """For the NTM with either controller: the claim's name, its sentence and the arm."""
    return [(f"graves2014-{id}{part}", text.format(f"an NTM with {WITH[arm]}"), arm) for part, arm in BOTH.items()]


def counted(part: str, task: str, count: int, printed: str = "") -> Parameters:
    """The LSTM of a task has the printed number of parameters."""
    said = {"repeat-copy": "repeat copy", "ngrams": "n-grams", "sort": "priority sort"}.get(task, task)
    text = f"On {said}, an LSTM of three layers with skips and learned starts has {count:,} parameters{printed}."
    return Parameters(f"graves2014-C14{part}", text, TABLE, task, LSTM, count)


def copying(part: str, does: str, number: str) -> list[Shows]:
    """What the heads are said to do at the longest size trained on, in nine parts of ten [o]."""
    source = f"{PAPER.format('4.1, figure 6')}; bar [o]"
    asked = each(f"C13-{part}-", f"To copy, {{}} {does}.")
    return [Shows(id, text, source, "copy", arm, number, (20,), least=0.9) for id, text, arm in asked]


def repeating(part: str, does: str, number: str, least: float = 0.0, below: float = inf) -> list[Shows]:
    """What is said of vectors and end marker apart."""
    source = f"{PAPER.format('4.2, figure 8')}; bar [o]"
    asked = each(f"C6-{part}-", f"Asked for twice the trained number of repeats, {{}} {does}.")
    return [Shows(id, text, source, "repeat-copy", arm, number, (10, 20), least, below) for id, text, arm in asked]


def sorting(part: str, task: str, size: tuple[int, int]) -> list[Shows]:
    """What the heads are said to do, whether the bar of the task is reached or not."""
    source = f"{PAPER.format('4.5, figure 17')}; bar [o]"
    told = f"To sort {size[0]} vectors, {{}} "
    return [
        Shows(id, text, source, task, arm, number, size, least=least, unsolved=True)
        for short, does, number, least in (
            (
                "rows",
                "writes a vector to a row that its priority gives by a straight line",
                "R\N{SUPERSCRIPT TWO} of write row by priority",
                0.8,
            ),
            ("reads", "reads the rows in one direction", "share of read moves in one direction", 0.9),
        )
        for id, text, arm in each(f"C12{part}-{short}-", f"{told}{does}.")
    ]


CLAIMS: tuple[Claim, ...] = (
    *(
        Faster(id, text, PAPER.format("4.1"), "copy", arm, LSTM, primary=True)
        for id, text, arm in each("C1", "On copy, {} learns faster than the LSTM.")
    ),
    *(
        Cheaper(id, text, PAPER.format("4.1"), "copy", arm, LSTM)
        for id, text, arm in each("C1-cost-", "On copy, {} reaches a lower cost than the LSTM.")
    ),
    *(
        Generalises(id, text, PAPER.format("4.1, figure 4"), "copy", arm, (50,), bar=1.0)
        for id, text, arm in each("C2-50", "Trained on up to 20 vectors, {} copies 50 nearly without a mistake.")
    ),
    *(
        FewerErrors(id, text, PAPER.format("4.1, figure 5"), "copy", arm, LSTM, size=(30,))
        for id, text, arm in each("C2-30", "Beyond 20 vectors, at 30, {} copies better than the LSTM.")
    ),
    Shrinks(
        "graves2014-C3",
        "Beyond 20 vectors, the longer the sequence, the sooner the LSTM makes its first mistake.",
        PAPER.format("4.1, figure 5"),
        "copy",
        LSTM,
        "answers before the first mistake",
        ((30,), (50,), (120,)),
    ),
    *(
        Degrades(id, text, PAPER.format("4.1, footnote"), "copy", arm, (150,))
        for id, text, arm in each("C4", "At 150 vectors, more than there are rows of memory, {} makes mistakes.")
    ),
    *copying("found", "reads every vector where it was written", "share of reads from where it was written"),
    *copying(
        "moves", "moves its heads by one row a step, in one direction", "share of moves by one row in one direction"
    ),
    *copying("focus", "has its heads' attention on one row", "share of attention on one row"),
    *(
        Solves(id, text, PAPER.format("4.2"), "repeat-copy", (arm,))
        for id, text, arm in each("C5-solved-", "Repeat copy is solved by {}.")
    ),
    Order(
        "graves2014-C5",
        "On repeat copy, NTMs with either controller learn faster than the LSTM.",
        PAPER.format("4.2"),
        "repeat-copy",
        first=(FF, RECURRENT),
        last=LSTM,
    ),
    *(
        Generalises(id, text, PAPER.format("4.2, figure 8"), "repeat-copy", arm, (20, 10), bar=1.0)
        for id, text, arm in each("C6-longer-", "Of twice the trained length, {} repeats nearly without a mistake.")
    ),
    *(
        Degrades(id, text, PAPER.format("4.2, figure 8"), "repeat-copy", arm, (10, 20))
        for id, text, arm in each("C6-more-", "For twice the trained number of repeats, {} makes mistakes.")
    ),
    *repeating("vectors", "repeats the vectors nearly without a mistake", "wrong bits of the vectors", below=1.0),
    *repeating("end", "says the end too early", "ends said too early", least=1.0),
    *(
        Solves(id, text, f"{PAPER.format('4.3, figure 10')}, about 30,000 episodes", "recall", (arm,), within=30_000)
        for id, text, arm in each("C7", "On recall, {} is near zero by 30,000 sequences.")
    ),
    NeverSolves(
        "graves2014-C7c",
        "On recall, the LSTM does not reach zero, in the paper not even after a million sequences.",
        PAPER.format("4.3"),
        "recall",
        LSTM,
        primary=True,
    ),
    Faster(
        "graves2014-C8",
        "On recall, the feedforward controller learns faster than the LSTM controller.",
        PAPER.format("4.3"),
        "recall",
        FF,
        RECURRENT,
    ),
    Generalises(
        "graves2014-C9",
        "An NTM with a feedforward controller recalls among 12 items nearly without a mistake.",
        PAPER.format("4.3"),
        "recall",
        FF,
        (12,),
        bar=1.0,
    ),
    Generalises(
        "graves2014-C9-15",
        "An NTM with a feedforward controller makes less than one error a sequence among 15 items (its figure: 1.3 to "
        "1.5 bits).",
        PAPER.format("4.3"),
        "recall",
        FF,
        (15,),
        bar=1.0,
    ),
    *(
        Cheaper(id, text, f"{PAPER.format('4.4')}; size: figure 13 [s]", "ngrams", arm, LSTM, (2.0, 3.5), primary=True)
        for id, text, arm in each("C10", "On n-grams, {} predicts better than the LSTM, by 2 to 3.5 bits of 200.")
    ),
    *(
        Excess(id, text, f"{PAPER.format('4.4')}; size: figure 13 [s]", "ngrams", arm, (0.5, 2.0))
        for id, text, arm in each("C19", "On n-grams, {} comes within half a bit to two bits of the optimum.")
    ),
    Excess(
        "graves2014-C19c",
        "On n-grams, the LSTM stays three to four bits above the optimum.",
        f"{PAPER.format('4.4')}; size: figure 13 [s]",
        "ngrams",
        LSTM,
        (3.0, 4.0),
    ),
    *(
        Cheaper(id, text, PAPER.format("4.5, figure 18"), "sort", arm, LSTM, primary=True)
        for id, text, arm in each("C11", "On priority sort, {} reaches a lower cost than the LSTM.")
    ),
    *(
        Cheaper(id, text, "ours [o], after section 4.5", "sort-8", arm, LSTM)
        for id, text, arm in each("C11-8", "On priority sort of 8 vectors, {} reaches a lower cost than the LSTM.")
    ),
    *sorting("", "sort", (20, 16)),
    *sorting("-8", "sort-8", (8, 6)),
    counted("a", "copy", 1_352_969),
    counted("b", "repeat-copy", 5_312_007),
    counted("c", "recall", 1_344_518),
    counted("d", "ngrams", 331_905),
    counted("e", "sort", 348_424, " (printed: 384,424, which two digits swapped explain)"),
    *(
        Faster(id, text, "ours [o], after the counts of tables 1 and 2 [d]", "copy", f"{arm}-practical", f"{arm}-fixed")
        for id, text, arm in each("C16", "On copy, {} learns faster from learned starts than from the same, fixed.")
    ),
    *(
        Differs(
            f"{id}-{shifts}{short}",
            text,
            "ours [o], after the counts [d]",
            task,
            f"{arm}-shifts-{shifts}",
            f"{arm}{own}",
        )
        for task, said, short, own in (
            ("copy", "copy", "", "-practical"),
            ("repeat-copy", "repeat copy", "-repeat", ""),
        )
        for shifts, number in ((1, "without shifts"), (7, "with shifts of up to three rows"))
        for id, text, arm in each(
            "C17", f"On {said}, {{}} learns at another speed {number} than with shifts of one row."
        )
    ),
    *(
        Cheaper(id, text, "ours [o], after the counts [d]", "ngrams", arm, f"{arm}-shifts-1")
        for id, text, arm in each("C17-ngrams-", "On n-grams, {} predicts better with shifts than by content alone.")
    ),
    Solves(
        "graves2014-C18a",
        "With a feedforward controller copy is learned whatever the first weightings, near uniform too.",
        "ours [o], from pilot runs",
        "copy",
        (f"{FF}-flat",),
    ),
    NeverSolves(
        "graves2014-C18b",
        "With an LSTM controller copy is not learned in the time given from first weightings that are near uniform.",
        "ours [o], from pilot runs",
        "copy",
        f"{RECURRENT}-flat",
    ),
)

"""Figures: what they show, whom they name, and that nothing is cut off or covered."""

import io
import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from copies import facts, simulate
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from membench.report import statistics
from membench.report.claims import Faster, MeanFaster, Order
from membench.report.claims.verdict import Verdict
from membench.report.figures import bits, curves, style
from membench.report.figures.axes import LINES, Plan, symlog
from membench.report.figures.forest import forest
from membench.report.frames import Frames
from membench.report.statistics.solving import Interval


def test_an_axis_of_one_decade_has_ticks_between() -> None:
    for bar, top, expected in (
        (0.05, 0.5, ["0", "0.05", "0.1", "0.2", "0.5"]),
        (0.1, 5.0, ["0", "0.1", "1"]),
        (0.1, 40.0, ["0", "0.1", "1", "10"]),
    ):
        ax = Figure().subplots()
        ax.set_ylim(0, top)
        symlog(ax, bar)
        assert [ax.yaxis.get_major_formatter()(tick) for tick in ax.get_yticks()] == expected


def test_figures_leave_matplotlib_as_it_was() -> None:
    import matplotlib as mpl

    mpl.use("agg")
    before = mpl.rcParams.copy()
    tables = simulate(1)
    with style.drawing():
        curves.solved_by(tables, facts(1), "copy", statistics.outcomes(tables, 0.1))
    assert mpl.rcParams == before


def test_readings_stand_side_by_side_where_there_are_several() -> None:
    models = ("ntm-constant-cosine", "ntm-constant-dot", "ntm-learned-dot", "lstm", "dnc", "ntm-learned-cosine")
    plan = Plan(simulate(1, models=models), facts(1, models=models))
    both = [["ntm-constant-cosine", "ntm-constant-dot"], [None, "ntm-learned-dot"], ["lstm", None]]
    assert plan.grid([model for row in both for model in row if model]) == both
    one = [["ntm-constant-cosine", "lstm"], ["dnc", "ntm-learned-cosine"]]  # no column stays empty
    assert plan.grid([model for row in one for model in row]) == one
    assert plan.grid(["dnc"]) == [["dnc"]]
    assert plan.among(["lstm", "ntm-learned-dot"]) == ["dot"] and plan.among(["dnc"]) == ["cosine", "dot"]


@pytest.mark.parametrize("which", ["lengths", "bits"])
def test_a_reading_without_a_run_has_no_panel(which: str) -> None:
    models = ("ntm-constant-cosine", "ntm-constant-dot", "lstm")
    tables, known = simulate(1, models=models), facts(1, models=models)
    draw = {"lengths": curves.lengths, "bits": bits.costs}[which]
    there = tables._replace(
        evaluations=tables.evaluations[tables.evaluations["model"] != "ntm-constant-dot"],
        generalisation=tables.generalisation[tables.generalisation["model"] != "ntm-constant-dot"],
    )
    with style.drawing():
        panels = [[ax.get_title(loc="left") for ax in draw(frames, known, "copy").axes] for frames in (tables, there)]
    assert [title for title in panels[0] if "dot" not in title] == panels[1] and len(panels[0]) == 2 * len(panels[1])


@pytest.mark.parametrize("which", ["convergence", "solved_by", "lengths", "cost"])
def test_every_point_lies_inside_its_panel(which: str) -> None:
    models = ("ntm-constant-cosine", "ntm-random-cosine", "lstm", "dnc")
    tables = simulate(1, tasks=("copy", "recall"), models=models)
    worse = tables.generalisation["errors"].where(tables.generalisation["weights"] == "best", 10_000.0)
    tables = tables._replace(generalisation=tables.generalisation.assign(errors=worse))
    known, found = facts(1, tasks=("copy", "recall"), models=models), statistics.outcomes(tables, 0.1)
    with style.drawing():
        figure = {
            "convergence": lambda: curves.convergence(tables, known, "copy", found),
            "solved_by": lambda: curves.solved_by(tables, known, "copy", found),
            "lengths": lambda: curves.lengths(tables, known, "copy"),
            "cost": lambda: curves.cost(tables, known, found),
        }[which]()
    assert figure is not None
    for ax in figure.axes:
        (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
        for line in ax.lines:
            if line.get_transform() == ax.transData:
                x, y = np.asarray(line.get_xydata(), dtype=float).T
                assert left <= x.min() and x.max() <= right and bottom <= y.min() and y.max() <= top


def crowd(seeds: int, arms: int) -> tuple[Frames, Any]:
    """Records of as many arms on copy, and what is known of them."""
    tables = simulate(seeds, models=("lstm",))
    names = tuple(f"arm-{i}" for i in range(arms))
    each = (pd.concat([t.assign(model=t["model"].where(t["model"] != "lstm", n)) for n in names]) for t in tables)
    tables = Frames(*each)
    return tables, facts(seeds, models=names)


@pytest.mark.parametrize("which", ["solved_by", "lengths", "bits"])
def test_more_arms_than_eyes_can_follow_have_a_panel_each(which: str) -> None:
    for arms in (8, 9):
        tables, known = crowd(1, arms)
        with style.drawing():
            figure = (
                curves.solved_by(tables, known, "copy", statistics.outcomes(tables, 0.1))
                if which == "solved_by"
                else {"lengths": curves.lengths, "bits": bits.costs}[which](tables, known, "copy")
            )
        assert figure is not None
        coloured = [{line.get_color() for line in ax.lines} - {style.MUTED, style.INK} for ax in figure.axes]
        if arms > LINES:
            pens = Plan(tables, known).pens
            assert coloured == [{pen.colour} for pen in pens.values()]
            assert [ax.get_title(loc="left") for ax in figure.axes] == list(pens) and figure.get_suptitle() == "copy"
            grey = [sum(line.get_color() == style.MUTED for line in ax.lines) for ax in figure.axes]
            assert min(grey) >= arms - 1
        else:
            assert len(figure.axes) == (2 if which == "lengths" else 1) and figure.get_suptitle() == ""


def test_of_many_arms_few_are_named_and_those_without_a_solved_run_lie_above_the_budget() -> None:
    for arms in (12, 13):
        tables, known = crowd(2, arms)
        found = statistics.outcomes(tables, 0.1)
        found["seconds"] = [60.0 + 20 * int(model.removeprefix("arm-")) for model in found["model"]]
        found["time"] = np.where(found["model"] == "arm-0", np.inf, 9000.0)
        found.loc[found["model"] == "arm-5", "time"] = 2000.0
        with style.drawing():
            figure = curves.cost(tables, known, found)
            assert figure is not None
            style.saved(figure)
        (ax,) = figure.axes
        at = {line.get_gid().removeprefix("tip: ").partition(":")[0]: line for line in ax.lines if line.get_gid()}
        (named,) = ([text.get_text() for text in legend.get_texts()] for legend in figure.legends)
        assert len(at) == arms and named == (list(at) if arms == 12 else ["arm-1", "arm-5"]), "cheapest, and soonest"
        assert {m for m, line in at.items() if line.get_color() == style.MUTED} == set(at) - set(named)
        budget = found["budget"].max()
        assert [m for m, line in at.items() if line.get_ydata()[0] > budget] == ["arm-0"]
        assert [text.get_text() for text in ax.get_yticklabels()][-1] == "unsolved"
        assert "no run solved" in at["arm-0"].get_gid() and "2,000 steps to solve" in at["arm-5"].get_gid()


def test_no_arm_is_grey_as_those_behind_it_are() -> None:
    for colour in style.COLOURS:
        red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        assert max(red, green, blue) - min(red, green, blue) > 50, colour


def test_names_at_the_side_lie_inside_the_picture() -> None:
    tables, known = crowd(1, 9)
    name = "ntm-constant-fixed-one-hot-outputs-unclipped-and-seen-cosine"
    tables = Frames(*(t.assign(model=t["model"].replace("arm-3", name)) for t in tables))
    with style.drawing():
        figure = curves.heat(tables, facts(1, models=(name, *(arm.model for arm in known.arms))))
        assert figure is not None
        style.saved(figure)
        figure.dpi = style.DPI
        assert min(text.get_window_extent().x0 for text in figure.axes[0].get_yticklabels()) >= 0


def test_grey_medians_have_all_their_points_and_no_words_lie_under_a_curve() -> None:
    tables, known = crowd(1, 9)
    with style.drawing():
        figure = curves.convergence(tables, known, "copy", statistics.outcomes(tables, 0.1))
        style.saved(figure)  # laid out
    steps = tables.evaluations["step"].nunique()
    for ax in figure.axes:
        grey = [line for line in ax.lines if line.get_alpha() == 0.2]
        assert len(grey) == 8 and all(len(line.get_xdata()) == steps and line.get_rasterized() for line in grey)
        assert ax.texts and all(text.get_window_extent().y0 >= ax.bbox.y1 for text in ax.texts)


def test_colours_are_of_arms_and_readings_differ_in_marks() -> None:
    said = Faster("suite-C2", "Something is said.", "somewhere [p]", "copy", "ntm-constant", "ntm-learned", 2.0)
    nothing = ("undecided", "")
    found = [
        Verdict(said, r, lambda p: nothing, "", 5, 10, estimate=2.0, interval=Interval(1, 3)) for r in ("dot", "cosine")
    ]
    with style.drawing():
        figure = forest(found)
        assert figure is not None
    assert not {line.get_color() for line in figure.axes[0].lines} & style.COLOURS.keys()
    assert {line.get_marker() for line in figure.axes[0].lines if line.get_gid()} == {"o", "s"}
    apart = [replace(v, reading=reading) for v, reading in zip([*found, found[0]], ("dot", "cosine", ""), strict=True)]
    with style.drawing():
        third = forest(apart)
        assert third is not None
    assert len({line.get_color() for line in third.axes[0].lines if line.get_gid()}) == 3


@pytest.mark.parametrize(
    ("errors", "bar", "text"),
    [
        (0.04, 0.1, "0.0"),
        (0.04, 0.05, "0.04"),
        (0.014, 0.01, "0.01"),
        (3.26, 2.0, "3.3"),
        (123.4, 0.01, "123"),
        (float("nan"), 0.1, ""),
    ],
)
def test_cells_of_the_heat_map_have_the_decimals_of_the_bar(errors: float, bar: float, text: str) -> None:
    assert curves.cell_text(errors, bar) == text


def test_titles_of_the_heat_map_leave_room_for_each_other() -> None:
    tables = simulate(1, tasks=("copy", "recall"))
    points = tables.generalisation[tables.generalisation["size"].isin(["10", "2"])]  # one size a task
    names = {"copy": "a-task-with-a-name-that-takes-a-whole-line", "recall": "recall"}
    tables = tables._replace(generalisation=points.assign(task=points["task"].map(names)))
    with style.drawing():
        figure = curves.heat(tables, facts(1, tasks=tuple(names.values())))
        assert figure is not None
        style.saved(figure)  # laid out
        texts = [text for ax in figure.axes for text in ax.findobj(Text) if text.get_text() in names.values()]
        first, second = (text.get_window_extent() for text in texts)
    assert first.x1 < second.x0


@pytest.mark.parametrize("paper", [3.5, (0.01, 0.02)])
def test_the_papers_number_lies_inside_its_figure(paper: Any) -> None:
    said = Faster("suite-C2", "Something is said.", "somewhere [p]", "copy", "ntm-constant", "ntm-learned", paper)
    undecided = ("undecided", "")
    verdict = Verdict(said, "cosine", lambda p: undecided, "", 5, 10, estimate=0.45, interval=Interval(0.09, 1.55))
    with style.drawing():
        figure = forest([verdict])
    assert figure is not None
    left, right = figure.axes[0].get_xlim()
    assert all(left < number < right for number in (paper if isinstance(paper, tuple) else (paper,)))
    assert "copy: ntm-constant / ntm-learned" in [text.get_text() for text in figure.axes[0].texts]
    (named,) = (legend.get_texts() for legend in figure.legends)
    assert "the paper's number" in [text.get_text() for text in named]


def test_a_claim_about_times_says_what_it_compares() -> None:
    several = Order("C9", "", "", "copy", first=("ntm", "dnc"), last="lstm")
    mean = MeanFaster("C1", "", "", ("copy", "recall"), base="a", rivals=("b", "c"))
    assert (several.sides, mean.sides) == ("copy: ntm, dnc / lstm", "copy, recall: a / the harder of b, c")


def test_a_png_of_few_colours_looks_like_the_one_of_all() -> None:
    tables = simulate(3)
    with style.drawing():
        figure = curves.convergence(tables, facts(3), "copy", statistics.outcomes(tables, 0.1))
        assert figure is not None
        _, small = style.saved(figure)
        every = io.BytesIO()
        figure.savefig(every, format="png", dpi=style.DPI, facecolor="white")
    ours, whole = (Image.open(io.BytesIO(data)) for data in (small, every.getvalue()))
    off = np.abs(np.subtract(*(np.asarray(each.convert("RGB"), dtype=float) for each in (ours, whole)))).max(axis=2)
    assert ours.size == whole.size and np.isclose(ours.info["dpi"][0], style.DPI, atol=0.1)
    assert (off > 16).mean() < 0.01 and (off > 96).mean() < 0.001
    assert len(small) < len(every.getvalue()) / 2


def test_a_long_line_is_written_shorter_and_goes_where_it_went() -> None:
    x = np.linspace(0, 1, 60)
    with style.drawing():
        figure, ((ax,),) = style.canvas(1, 1, 4, 2)
        (line,) = ax.plot(x, np.random.default_rng(0).random(60), gid="line")
        text, _ = style.saved(figure)
        corner = [0, figure.bbox.height]
        there = np.abs(corner - line.get_transform().transform(line.get_xydata())) * 72 / figure.dpi
    path = re.search(r'id="line">\s*<path d="M([^"]*)"', text)
    assert path is not None
    points = np.array(path[1].split(), dtype=float).reshape(-1, 2)
    assert points.shape == (60, 2) and np.abs(points - there).max() < 0.11 and len(path[1]) < 60 * 13


def test_an_arm_keeps_its_pen_and_neighbours_differ_without_colour() -> None:
    pens = style.pens([f"arm {i}" for i in range(40)])
    assert len(set(pens.values())) == 40
    looks = [(str(pen.dashes), pen.marker) for pen in pens.values()]
    assert all(a != b for a, b in pairwise(looks))


def test_a_factorial_says_solved_and_steps_for_every_combination() -> None:
    models = ("ntm-constant-cosine", "ntm-constant-dot", "ntm-learned-cosine", "ntm-learned-dot")
    tables = simulate(2, models=models)
    factors = {m: dict(zip(("memory", "similarity"), m.split("-")[1:], strict=True)) for m in models}
    with style.drawing():
        figure = curves.factorial(facts(2, models=models, factors=factors), "copy", statistics.outcomes(tables, 0.1))
        assert figure is not None
        text, _ = style.saved(figure)
    assert len(re.findall(r">\d/2<", text)) == 4 and ">constant<" in text and ">dot<" in text

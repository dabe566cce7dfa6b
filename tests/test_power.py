"""Whether a number of seeds can decide a claim at all."""

import pytest
from click.testing import CliRunner
from handmade import NEVER, SAID, ask, records

from membench.benchmarks.catalogue import catalogue
from membench.benchmarks.cli import main
from membench.benchmarks.suites import find
from membench.report.claims import Faster, NeverSolves, Solves
from membench.report.claims.power import least_p, out_of_reach

RAN_WITH_TOO_FEW = {"dnc2016"}


@pytest.mark.parametrize("seeds", [5, 6])
def test_the_smallest_p_is_that_of_runs_without_an_exception(seeds: int) -> None:
    tables = records({("copy", "a"): [1000] * seeds, ("copy", "b"): [NEVER] * seeds})
    best = Solves(*SAID, "copy", ("b", "a"))
    for claim in (Faster(*SAID, "copy", "a", "b"), NeverSolves(*SAID, "copy", "b"), best):
        assert ask(tables, claim).p == pytest.approx(least_p(claim, seeds), rel=0.02)


def test_claims_out_of_reach_are_named_with_their_best_p() -> None:
    shares = [NeverSolves(f"s-C{n}", "", "", "copy", "b", primary=True) for n in range(2)]
    assert out_of_reach(shares, 5) == {"s-C0": 0.0625, "s-C1": 0.0625}
    assert not out_of_reach(shares, 6) and not out_of_reach(shares[:1], 5)


def test_every_suite_has_the_seeds_that_its_decisive_claims_need() -> None:
    short = {name for name in catalogue() if out_of_reach(find(name).claims, len(find(name).seeds))}
    assert short == RAN_WITH_TOO_FEW


def test_bench_show_says_what_the_seeds_cannot_decide() -> None:
    shown = CliRunner().invoke(main, ["show", "dnc2016"]).output
    assert "Of 5 seeds none can decide dnc2016-C2, dnc2016-C3, however clear" in " ".join(shown.split())

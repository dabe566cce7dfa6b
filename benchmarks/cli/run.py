"""``bench run``: a suite's runs are trained, or what is left of them."""

import json
import os
import sys
from pathlib import Path
from typing import Any, Literal

import click

from .shared import (
    AVX2,
    answer,
    arms_options,
    at_home,
    avx2_option,
    find,
    json_option,
    new_results_option,
    suite_option,
    tracking_options,
    with_option,
)


@click.command()
@suite_option()
@with_option
@arms_options
@click.option("--seeds", metavar="RANGES", help="Only these seeds: 3, 1-3, or 1-3,7.")
@click.option("--workers", type=click.IntRange(min=1), show_default="one a core, or one a GPU", help="Processes.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    help="Where to train; auto takes a GPU where there is one, though we have not run this code on any. A GPU trains "
    "the seeds of an arm together; for one seed a CPU core may well be faster.",
)
@click.option("--shard", metavar="I/N", help="Only the I-th of N parts of the runs, for job arrays: 2/8.")
@click.option(
    "--engine", type=click.Choice(["local", "ray"]), default="local", help="This machine's processes, or a Ray cluster."
)
@click.option("--ray-address", metavar="ADDRESS", help="The Ray cluster's.  [default: RAY_ADDRESS, or start one here]")
@click.option("--time-limit", metavar="DURATION", help="Stop after 90s, 20m, 1h30m; the next call goes on from there.")
@click.option("--dry-run", is_flag=True, help="Say what would be run, and run nothing.")
@click.option(
    "--force",
    is_flag=True,
    help="Run again even what is done or stale; old records are kept as .old. Begins anew at every call: once stopped, "
    "the same command without --force goes on.",
)
@avx2_option
@new_results_option
@tracking_options
@json_option
def run(
    suite: str,
    added: tuple[str, ...],
    tasks: tuple[str, ...],
    models: tuple[str, ...],
    seeds: str | None,
    workers: int | None,
    device: str,
    shard: str | None,
    engine: Literal["local", "ray"],
    ray_address: str | None,
    time_limit: str | None,
    dry_run: bool,
    force: bool,
    results: Path,
    tracking_uri: str | None,
    no_tracking: bool,
    as_json: bool,
) -> None:
    """Train a suite's runs, or some of them, from where they stopped.

    Every run appends to a record of its own under RESULTS/<suite>/ and is logged to MLflow as it goes. Ctrl-C, the
    time limit or a kill lose nothing: the same command goes on. Existing files are never overwritten.

    \b
    Exit codes:
      0    all that was asked for is done, or the time limit came; a run that diverged is a finding
      1    a run crashed; the same command tries it again
      2    bad usage; nothing was touched
      130  interrupted

    \b
    Examples:
      bench run mini
      bench run collier2018 --task copy --model lstm --seeds 1-3
      bench run mini --with ./gru.py
      bench run ./mine.py --dry-run
      BENCH_RUN_WORKERS=4 bench run collier2018 --time-limit 8h
    """
    from ..errors import UsageError
    from ..inspecting.check import refuse
    from ..records.plan import Planned, plan, refuse_stale
    from ..running import slots
    from ..running.estimate import Pace
    from ..running.progress import Progress
    from ..running.runner import execute, writable
    from ..running.trial import trial
    from ..tracking.store_file import store_uri
    from . import arguments, listing

    if engine == "ray" and os.environ.get("NUMBA_CPU_NAME") == AVX2:
        raise UsageError("--avx2 holds for this machine, not for a cluster's; accepted: --engine local")
    if ray_address is not None and engine != "ray":
        raise UsageError(f"--ray-address {ray_address!r}: no cluster is asked for; accepted: --engine ray beside it")
    limit = None if time_limit is None else arguments.seconds(time_limit)
    wanted = [] if seeds is None else arguments.seeds(seeds)
    found = find(suite, added)
    part = (1, 1) if shard is None else arguments.shard(shard)
    planned = plan(found, results, tasks, models, wanted, shard=part, force=force)
    if not dry_run:
        at_home(results)
    uri = None if no_tracking else store_uri(tracking_uri, results)
    devices = slots.slots(engine, device, workers, ray_address)
    if device == "auto" and devices[0] != "cpu":
        click.echo(
            f"Takes {devices[0]}: we have not run this code on a GPU; --device cpu for the tested path.", err=True
        )
    due = [Planned(each.run, "new") if force else each for each in planned if force or each.due]
    refuse(each.run.experiment for each in due)
    pace, room, doing = Pace(found, results, devices[0]), None, [each.run for each in due]
    if due and devices[0] != "cpu" and engine == "local":
        if any(each.experiment.key not in pace.known for each in doing):
            click.echo(f"Tries the arms on {devices[0]} for a minute at most.", err=True)
        found_out = trial((suite, *added), doing, devices, list(pace.known))
        room = found_out.room
        pace.learn(found_out.seconds)
    groups = slots.cohorts(doing, devices, room)
    for line in listing.plan_lines(found, planned, due, pace, len(devices), slots.together(groups, room)):
        click.echo(line, err=True)
    if limit is not None and due:
        click.echo(f"Stops after {time_limit}.", err=True)
    if dry_run:
        answer(listing.rows(planned), {"runs": listing.rows(planned)}, as_json)
        return
    if not force:
        refuse_stale(planned)  # before anything is opened
    writable(results)
    listeners: list[Any] = []
    with Progress(due, len(devices), pace, sys.stderr, limit, groups) as progress:
        listeners.append(progress)
        tracker = None
        if due and uri is not None:
            from ..tracking.listener import Tracker

            tracker = Tracker(uri, results, found, progress.say)
            listeners.append(tracker)
        try:
            options: dict[str, Any] = {"workers": workers, "device": device, "time_limit": limit, "force": force}
            options |= {"engine": engine, "ray_address": ray_address, "added": added, "room": room, "name": found.name}
            outcome = execute(planned, suite, results, listeners, **options)
        finally:
            if tracker is not None:
                tracker.close()
    counts = {name: getattr(outcome, name) for name in ("done", "diverged", "failed", "left")}
    if as_json:
        after = listing.rows(plan(found, results, tasks, models, wanted, shard=part))
        click.echo(json.dumps({"runs": after, **counts, "interrupted": outcome.interrupted}, indent=2))
    else:
        said = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"
        command = "the same command without --force" if force else "the same command"
        again = f"; {command} goes on" if outcome.left else f"; {command} tries again" if outcome.failed else ""
        if outcome.elsewhere:
            said += f", {outcome.elsewhere} of them in the hands of another process,"
        click.echo(f"{found.name}: {said} of {len(planned)} runs{again}")
    sys.exit(130 if outcome.interrupted else 1 if outcome.failed else 0)

"""The engine of a cluster, on a cluster of two nodes that lies on one machine; only where Ray is installed."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from membench.benchmarks.core import Run
from membench.benchmarks.errors import UsageError
from membench.benchmarks.records.events import Ended, Evaluated, Event, Started
from membench.benchmarks.records.plan import plan
from membench.benchmarks.records.record import Recorder, read
from membench.benchmarks.running import cluster as engine
from membench.benchmarks.running.runner import Outcome, execute
from membench.benchmarks.running.schedule import Schedule
from membench.benchmarks.suites import find


@pytest.mark.parametrize(
    ("gpus", "workers", "each"),
    [
        (0, None, 0),
        (0, 8, 0),
        (2, None, 1),
        (2, 2, 1),
        (2, 1, 1),
        (2, 4, 0.5),
        (2, 3, 0.5),
        (8, 80, 0.1),
        (1, 3, 0.3333),
    ],
)
def test_workers_share_gpus_in_whole_parts(gpus: float, workers: int | None, each: float) -> None:
    assert engine.share(gpus, workers) == each
    if each:
        assert each * (workers or gpus) <= gpus


def test_without_ray_it_says_what_to_install(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'membench\[ray\]'"):
        execute(plan(find(tiny), tmp_path), tiny, tmp_path, engine="ray")


def test_a_member_that_another_process_has_is_passed_over_alone(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a cohort, as GPUs get them, the others are trained together; this needs no cluster."""
    given: list[list[str]] = []
    task = SimpleNamespace(remote=lambda suite, members, gpu: given.append(list(members)))
    task.options = lambda **_: task
    monkeypatch.setattr(engine, "ray", SimpleNamespace(remote=lambda _: task, cancel=lambda *_, **__: None))
    busy, *others = find(tiny).runs()
    schedule = Schedule([], "tiny", tmp_path, [], None)
    driver = engine.Driver(schedule, tiny, engine.Crew(0, 1))
    with Recorder(schedule.path_of(busy), busy.key):
        driver.begin((busy, *others))
        assert given == [[run.key for run in others]]
        driver.close(driver.jobs[0])


@pytest.mark.parametrize("members", [1, 2])
def test_no_record_is_of_two_trainings(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, members: int
) -> None:
    """What begins anew on a node that rounds otherwise fails, and is stopped once it is alone; needs no cluster."""
    cohort = tuple(run for run in find(tiny).runs() if run.experiment.model_name == "lstm")[:members]
    told: list[Event] = []
    schedule = Schedule([], "tiny", tmp_path, [told.append], None)

    def started(run: Run) -> Started:
        return Started(run.key, run.digest, run.params, 1, 1, {})

    def evaluated(step: int, loss: float, run: Run = cohort[0]) -> Evaluated:
        return Evaluated(run.key, step, step, loss, 1.0, None, None, 0.0)

    path = schedule.path_of(cohort[0])
    with Recorder(path, cohort[0].key) as recorder:
        for event in (started(cohort[0]), evaluated(0, 0.25), evaluated(10, 0.25)):
            recorder.write(event)
    others = [event for run in cohort[1:] for event in (evaluated(0, 0.5, run), Ended(run.key, "done", 45, 1.0))]
    late = [evaluated(20, 0.5), *others, evaluated(30, 0.5), Ended(cohort[0].key, "done", 45, 1.0)]
    said = iter([*map(started, cohort), evaluated(0, 0.25), evaluated(10, 0.5), *late])
    cancelled: list[Any] = []
    task = SimpleNamespace(remote=lambda *_: said)
    task.options = lambda **_: task
    ray = SimpleNamespace(remote=lambda _: task, get=lambda event: event, cancel=lambda of, **_: cancelled.append(of))
    monkeypatch.setattr(engine, "ray", ray)
    driver = engine.Driver(schedule, (tiny,), engine.Crew(0, 1))
    driver.begin(cohort)
    while driver.jobs:
        driver.hear(driver.jobs[0])
    record = read(path, cohort[0].key)
    assert record is not None and [e.loss for e in record.evaluated.values()] == [0.25, 0.25]
    assert record.ended is not None and record.ended.status == "failed" and "differs at step 10" in record.ended.message
    assert cancelled == [said] and len(list(said)) == (3 if members == 1 else 1), "what is of no use is not trained on"
    if members == 1:
        assert [event.name for event in told] == ["resumed", "ended"] and told[-1] == record.ended
    else:
        assert schedule.ended == {cohort[1].key: "done"} and list(schedule.queue) == [cohort[:1]], "tried again, alone"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two nodes of one core each; workers are started without pytest's warnings."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    environment = {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    before = dict(os.environ)
    os.environ.update(environment)
    small = {"num_cpus": 1, "object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
    cluster.add_node(**small)
    yield cluster
    engine.ray.shutdown()
    cluster.shutdown()
    os.environ.clear()
    os.environ.update(before)


def on_cluster(cluster: Any, suite: str, results: Path, *listeners: Any, **options: Any) -> Outcome:
    options = {"engine": "ray", "ray_address": cluster.address, **options}
    return execute(plan(find(suite), results), suite, results, listeners, **options)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The suite of seconds by the local engine."""
    results, suite = tmp_path_factory.mktemp("local"), str(Path(__file__).with_name("tiny.py"))
    assert execute(plan(find(suite), results), suite, results, device="cpu", workers=2).done == 4
    return results


def test_records_are_those_of_the_local_engine(
    tiny: str, cluster: Any, undisturbed: Path, tmp_path: Path, said: Any
) -> None:
    told: list[Event] = []
    assert on_cluster(cluster, tiny, tmp_path, told.append) == Outcome(4, 0, 0, 0, False)
    assert said(tmp_path) == said(undisturbed)
    assert len([event for event in told if isinstance(event, Evaluated)]) == 20
    assert on_cluster(cluster, tiny, tmp_path).done == 4


def test_a_signal_stops_and_the_next_call_goes_on(
    tiny: str, cluster: Any, undisturbed: Path, tmp_path: Path, said: Any
) -> None:
    told: list[Event] = []

    def interrupt(event: Event) -> None:
        told.append(event)
        if isinstance(event, Evaluated) and event.step == 20 and event.key == "copy/ntm/1":
            os.kill(os.getpid(), signal.SIGINT)

    outcome = on_cluster(cluster, tiny, tmp_path, interrupt)
    assert outcome.interrupted and outcome.failed == 0 and outcome.left >= 1
    ended = {event.key: event.status for event in told if isinstance(event, Ended)}
    assert ended["copy/ntm/1"] == "interrupted"
    assert on_cluster(cluster, tiny, tmp_path).done == 4
    assert said(tmp_path) == said(undisturbed)


def test_a_model_that_raises_fails_alone(tiny: str, cluster: Any, tmp_path: Path, variant: Any) -> None:
    suite = variant("if not (HERE / 'mended').exists():\n    raise KeyError('no such layer')")
    told: list[Event] = []
    assert on_cluster(cluster, suite, tmp_path, told.append) == Outcome(2, 0, 2, 0, False)
    assert any("KeyError: 'no such layer' (variant.py, line" in getattr(event, "message", "") for event in told)


def test_a_node_with_another_version_is_not_mixed_in(tiny: str, cluster: Any, tmp_path: Path) -> None:
    suite = tmp_path / "tiny.py"
    suite.write_text(Path(tiny).read_text())
    planned = plan(find(str(suite)), tmp_path, models=["lstm"], seeds=[1])
    suite.write_text(Path(tiny).read_text().replace("Adam(3e-3)", "Adam(1e-3)"))
    told: list[Event] = []
    outcome = execute(planned, str(suite), tmp_path, [told.append], engine="ray", ray_address=cluster.address)
    assert outcome.failed == 1
    (ended,) = [event for event in told if isinstance(event, Ended)]
    assert ended.message.endswith("this node has another version of membench or of the suite than the driver")


def test_what_cannot_be_is_refused(tiny: str, cluster: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="device cuda: no node of this cluster has one"):
        on_cluster(cluster, tiny, tmp_path, device="cuda")


@pytest.mark.slow
def test_a_node_that_is_lost_takes_no_run_with_it(
    tiny: str, cluster: Any, tmp_path: Path, undisturbed: Path, said: Any, variant: Any
) -> None:
    suite = variant(
        "import ray\n(HERE / f'{seed}-{ray.get_runtime_context().get_node_id()}').touch()\n"
        "time.sleep(1.0)  # so that all nodes get something to do"
    )
    node = cluster.add_node(num_cpus=2, object_store_memory=100 << 20)
    cluster.wait_for_nodes()
    told: list[Event] = []
    lost: list[str] = []

    def kill(event: Event) -> None:
        told.append(event)
        on_it = (tmp_path / f"{event.key[-1]}-{node.node_id}").exists() and event.key.startswith("copy/lstm")
        if isinstance(event, Evaluated) and event.step == 10 and on_it and not lost:
            lost.append(event.key)
            cluster.remove_node(node, allow_graceful=False)
            time.sleep(5)  # its workers notice, held back meanwhile by events nobody takes

    assert on_cluster(cluster, suite, tmp_path / "results", kill, workers=4) == Outcome(4, 0, 0, 0, False)
    assert [event.name for event in told if event.key == lost[0]].count("resumed") == 1
    whole = {name.replace("variant", "tiny"): lines for name, lines in said(tmp_path / "results").items()}
    assert whole == said(undisturbed)

"""MLflow, the window people browse: what the records say, logged live by the parent process or replayed later.

The store holds nothing that the records do not. Whatever is wrong with it (locked, deleted, unreachable, of another
schema) costs no result: one warning, and the next contact catches up from the records.
"""

import fcntl
import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import records
from .core import Run, Suite
from .events import Ended, Evaluated, Event, Generalised, Started, to_json
from .records import Record

for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # dependencies report nothing home unless their user asks them to
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # an unreachable server is noticed in seconds, not minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}.items():
    os.environ.setdefault(_name, _value)

import mlflow  # noqa: E402  (after its settings)
from mlflow.entities import Metric, Param, RunTag  # noqa: E402

logging.getLogger("alembic").setLevel(logging.ERROR)
logging.getLogger("mlflow").setLevel(logging.ERROR)

PAUSE = 300.0
"""Seconds without contact after the store failed."""

PARAMS = 100
"""MLflow's limit of parameters in one call."""

NOTE = """Every run is one seed of one arm of the suite `{suite}` ({title}).

Group by the tags `task` and `model` to average over seeds; `reading` says under which reading of the paper an arm
stands. `eval/errors`: wrong bits a sequence on the evaluation set; `eval/loss`: nats a sequence; `train/loss` and
`train/gradient`: since the last evaluation; `generalisation/<weights>/errors`: wrong bits a sequence, the step being
the length of the sequences in time steps. The report with claims and intervals: `bench report --suite {suite}`.
"""


def default_uri(results: Path) -> str:
    """The store beside the records."""
    return f"sqlite:///{(results / 'mlflow.db').resolve()}"


def local(uri: str) -> bool:
    """Whether the store is files of this machine."""
    return uri.startswith(("sqlite:", "file:"))


class Store:
    """An MLflow store, as one suite sees it. Raises whatever MLflow raises.

    Args:
        uri: MLflow's tracking URI.
        results: The results folder; artifacts of a local store lie in it.
        suite: The suite.
    """

    def __init__(self, uri: str, results: Path, suite: Suite) -> None:
        self.suite, self.results = suite, results
        with _alone(results):  # the first contact makes the schema, which two processes must not do at once
            self.client = mlflow.MlflowClient(tracking_uri=uri)
            self.experiments = {name: self._experiment(name, uri) for name in homes(suite)}
        self.runs: dict[tuple[str, str], str] = {}
        for name, experiment in self.experiments.items():
            for found in self._search(experiment):
                tags = found.data.tags
                self.runs[name + "/" + tags.get("key", ""), tags.get("record", "")] = found.info.run_id

    def _experiment(self, name: str, uri: str) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        where = (self.results / "mlartifacts" / name).resolve().as_uri() if local(uri) else None
        title = self.suite.title if name == self.suite.name else ""
        note = {"mlflow.note.content": NOTE.format(suite=name, title=title)}
        return str(self.client.create_experiment(name, artifact_location=where, tags=note))

    def _search(self, experiment: str) -> Iterator[Any]:
        token = None
        while True:
            page = self.client.search_runs([experiment], max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def catch_up(self, run: Run, record: Record) -> tuple[str, set[tuple[Any, ...]]]:
        """Log whatever the store lacks of a record; gives MLflow's run id and what is logged by now."""
        started = record.started
        assert started is not None  # the caller looked
        name = home(self.suite, run)
        identity = hashlib.sha256(json.dumps(to_json(started), sort_keys=True).encode()).hexdigest()[:16]
        run_id = self.runs.get((f"{name}/{run.key}", identity))
        logged: set[tuple[Any, ...]] = set()
        if run_id is None:
            self._supersede(name, run)
            run_id = self._create(name, run, record, started, identity)
            self.runs[f"{name}/{run.key}", identity] = run_id
        else:
            for point in self.client.get_metric_history(run_id, "eval/errors"):
                logged.add(("evaluated", point.step))
            for weights in ("best", "final"):
                for point in self.client.get_metric_history(run_id, f"generalisation/{weights}/errors"):
                    logged.add(("generalised", weights, point.step))
        began = _began(record)
        metrics = []
        for event in record.events:
            if (said := identity_of(run, event)) is not None and said not in logged:
                metrics += measured(run, event, began)
                logged.add(said)
        for start in range(0, len(metrics), 1000):
            self.client.log_batch(run_id, metrics=metrics[start : start + 1000])
        self.status(run_id, record.ended)
        return run_id, logged

    def _supersede(self, name: str, run: Run) -> None:
        """A record made anew takes the place of the old one; MLflow keeps what it deletes."""
        for (key, identity), run_id in list(self.runs.items()):
            if key == f"{name}/{run.key}":
                self.client.delete_run(run_id)
                del self.runs[key, identity]

    def _create(self, name: str, run: Run, record: Record, started: Started, identity: str) -> str:
        experiment, provenance = run.experiment, started.provenance
        tags = {
            "suite": name,
            "task": experiment.task_name,
            "model": experiment.model_name,
            "seed": str(run.seed),
            "reading": experiment.reading,
            "key": run.key,
            "digest": started.digest,
            "record": identity,
            "status": "running",
            "mlflow.source.name": "bench",
            "mlflow.source.git.commit": str(provenance.get("commit") or ""),
            "mlflow.note.content": (
                f"Seed {run.seed} of {experiment.key}: {started.parameters:,} parameters, "
                f"{started.state_size:,} floats of state, on {provenance.get('device')} "
                f"({provenance.get('implementation')})."
            ),
        }
        made = self.client.create_run(self.experiments[name], start_time=_began(record), tags=tags, run_name=run.key)
        values = {**flat(started.params), "parameters": started.parameters, "state_size": started.state_size}
        params = [Param(key, str(value)[:6000]) for key, value in values.items()]
        for start in range(0, len(params), PARAMS):
            self.client.log_batch(made.info.run_id, params=params[start : start + PARAMS])
        return str(made.info.run_id)

    def status(self, run_id: str, ended: Ended | None) -> None:
        """Say how a run stands."""
        status = ended.status if ended is not None else "running"
        self.client.log_batch(run_id, tags=[RunTag("status", status)])
        if ended is None:
            self.client.update_run(run_id, status="RUNNING")
        else:
            self.client.set_terminated(run_id, {"failed": "FAILED", "interrupted": "KILLED"}.get(status, "FINISHED"))


class Tracker:
    """A listener that logs events as they come.

    Args:
        uri: MLflow's tracking URI.
        results: The results folder.
        suite: The suite that runs.
        warn: Told, in one sentence, that the store failed.
    """

    def __init__(self, uri: str, results: Path, suite: Suite, warn: Callable[[str], None]) -> None:
        self.uri, self.results, self.suite, self.warn = uri, results, suite, warn
        self.runs = {run.key: run for run in suite.runs()}
        self.store: Store | None = None
        self.known: dict[str, tuple[str, set[tuple[Any, ...]]]] = {}
        self.paused = 0.0

    def __call__(self, event: Event) -> None:
        """Log one event; never raises."""
        if time.monotonic() < self.paused:
            return
        try:
            self._log(event)
        except Exception as error:  # whatever the store does, training goes on
            self.store, self.known = None, {}
            self.paused = time.monotonic() + PAUSE
            reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
            self.warn(
                f"MLflow store {self.uri} failed ({reason}); records are not affected, and `bench ui` or the next "
                "contact logs what it lacks"
            )

    def _log(self, event: Event) -> None:
        if self.store is None:
            self.store = Store(self.uri, self.results, self.suite)
        run = self.runs[event.key]
        if event.key not in self.known:
            record = records.read(records.path_of(self.results, self.suite.name, run), run.key)
            if record is None or record.started is None:
                return
            self.known[event.key] = self.store.catch_up(run, record)
            if not isinstance(event, Ended):
                self.store.status(self.known[event.key][0], None)
        run_id, logged = self.known[event.key]
        if isinstance(event, Ended):
            self.store.status(run_id, event)
            del self.known[event.key]
        elif (said := identity_of(run, event)) is not None and said not in logged:
            self.store.client.log_batch(run_id, metrics=measured(run, event, None))
            logged.add(said)


def replay(uri: str, results: Path, suite: Suite) -> int:
    """Log what the store lacks of all records of a suite; gives how many records there are."""
    store = Store(uri, results, suite)
    count = 0
    for run, record in records.of_suite(results, suite):
        if record is None or record.started is None or record.started.digest != run.digest:
            continue
        store.catch_up(run, record)
        count += 1
    return count


def attach(uri: str, results: Path, suite: Suite, folder: Path) -> None:
    """Put a suite's report and figures into its experiment, as artifacts of a run called ``report``."""
    store = Store(uri, results, suite)
    run_id = store.runs.get((f"{suite.name}/report", "report"))
    if run_id is None:
        tags = {"suite": suite.name, "key": "report", "record": "report", "status": "done"}
        experiment = store.experiments[suite.name]
        run_id = str(store.client.create_run(experiment, tags=tags, run_name="report").info.run_id)
        store.client.set_terminated(run_id)
    for name in ("report.html", "report.md", "claims.json"):
        if (folder / name).exists():
            store.client.log_artifact(run_id, str(folder / name))
    for name in ("figures", "traces"):
        if (folder / name).is_dir():
            store.client.log_artifacts(run_id, str(folder / name), name)


def serve(uri: str, port: int, ready: Callable[[str], None]) -> int:
    """Serve the store's pages on this machine alone, until interrupted; gives the server's exit code."""
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    server = subprocess.Popen(command, env=environment, start_new_session=True)

    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        ready(f"http://127.0.0.1:{port}")
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)
        _end_group(server)


def _end_group(server: "subprocess.Popen[bytes]") -> None:
    for number, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(server.pid, number)
            server.wait(patience)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def homes(suite: Suite) -> list[str]:
    """The experiments of MLflow a suite's runs belong to: its own, and those of suites it shares arms with."""
    return list(dict.fromkeys([suite.name, *(e.home for e in suite.experiments if e.home)]))


def home(suite: Suite, run: Run) -> str:
    """The experiment of MLflow a run belongs to."""
    return run.experiment.home or suite.name


def identity_of(run: Run, event: Event) -> tuple[Any, ...] | None:
    """What makes a point the same point; None for events that are no points."""
    if isinstance(event, Evaluated):
        return ("evaluated", event.step)
    if isinstance(event, Generalised):
        return ("generalised", event.weights, run.experiment.task.steps(tuple(event.size)))
    return None


def measured(run: Run, event: Event, began: int | None) -> list[Metric]:
    """The points of an event."""
    if isinstance(event, Evaluated):
        at = _now() if began is None else began + int(event.seconds * 1000)
        values = {
            "eval/errors": event.errors,
            "eval/loss": event.loss,
            "train/loss": event.train_loss,
            "train/gradient": event.gradient_norm,
            "seconds": event.seconds,
        }
        return [Metric(name, value, at, event.step) for name, value in values.items() if value is not None]
    if isinstance(event, Generalised):
        at = _now() if began is None else began
        steps = run.experiment.task.steps(tuple(event.size))
        stem = f"generalisation/{event.weights}"
        return [Metric(f"{stem}/errors", event.errors, at, steps), Metric(f"{stem}/perfect", event.perfect, at, steps)]
    return []


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested parameters as MLflow shows them: ``model.memory.value``."""
    result: dict[str, Any] = {}
    for name, part in value.items():
        if isinstance(part, Mapping):
            result |= flat(part, f"{prefix}{name}.")
        else:
            result[f"{prefix}{name}"] = part
    return result


def _began(record: Record) -> int:
    """When a run may have begun, in milliseconds: its last line less the seconds it took."""
    took = max((event.seconds for event in record.events if isinstance(event, Evaluated | Ended)), default=0.0)
    return int((record.path.stat().st_mtime - took) * 1000)


def _now() -> int:
    return int(time.time() * 1000)


@contextmanager
def _alone(results: Path) -> Iterator[None]:
    results.mkdir(parents=True, exist_ok=True)
    with (results / "mlflow.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

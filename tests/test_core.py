"""The nouns: what a run's digest depends on, values as JSON, padding, and what a suite refuses."""

import dataclasses
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, nn

from membench.baselines.lstm import LSTM
from membench.benchmarks.core import Experiment, Run, Suite, Training, longest
from membench.benchmarks.curriculum import Stages
from membench.benchmarks.learning_rates import Cosine, WarmUp
from membench.benchmarks.optimizers import Adam, ElementWise, GlobalNorm, RMSProp
from membench.benchmarks.protocols import Batch, Size, pad
from membench.benchmarks.suites import find
from membench.benchmarks.tasks.copy import Copy
from membench.benchmarks.values import plain
from membench.ntm import NTM, Constant, Glorot, Learned, OneHot, Weights, Zeros, stream
from membench.report.claims import Faster, Generalises, NeverSolves

TRAINING = Training(steps=100, eval_sizes=((1,), (2,)))
EXPERIMENT = Experiment("copy", Copy(), "ntm", NTM(read=Zeros()), TRAINING, reading="cosine")
RUN = Run(EXPERIMENT, 7)


SET: dict[str, Any] = {
    "squash": "linear",
    "write_order": "in turn",
    "head_weights": Weights(Glorot()),
    "output_weights": Weights(Glorot()),
}
"""Other values of fields that are one of some, or have no first field to change."""

LATER: dict[str, Any] = {"schedule": Cosine(warm_up=1), "sizes": Stages(((0, (range(1, 4),)),))}
"""Fields that came later, set."""


def other(value: Any) -> Any:
    """A value of the same kind that is not equal."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case "sum":
            return "mean"
        case "cosine":
            return "dot"
        case "collier":
            return "graves"
        case range():
            return range(value.start, value.stop + 1)
        case tuple():
            return (*value[:-1], other(value[-1]))
        case GlobalNorm():
            return ElementWise(value.norm)
        case Adam():
            return RMSProp()
        case Constant() | OneHot():
            return Learned()
        case Learned():
            return replace(value, trainable=not value.trainable)
    return replace(
        value, **{dataclasses.fields(value)[0].name: other(getattr(value, dataclasses.fields(value)[0].name))}
    )


def digest(**changes: Any) -> str:
    return Run(replace(EXPERIMENT, **changes), 7).digest


def test_the_digest_is_kept_over_what_does_not_decide_the_curve() -> None:
    assert RUN.digest == Run(EXPERIMENT, 7).digest
    assert len(RUN.digest) == 16
    for changes in (
        {"task_name": "other"},
        {"model_name": "other"},
        {"reading": "dot"},
        {"arm": "other"},
        {"task": replace(EXPERIMENT.task, test=((99,),))},
        {"training": replace(TRAINING, test_sequences=9)},
    ):
        assert digest(**changes) == RUN.digest
    assert "arm" not in RUN.params


@pytest.mark.parametrize("part", ["task", "model", "training"])
def test_the_digest_depends_on_every_other_field(part: str) -> None:
    value: Any = getattr(EXPERIMENT, part)
    digests = {
        field.name: digest(
            **{
                part: replace(
                    value, **{field.name: {**SET, **LATER}.get(field.name) or other(getattr(value, field.name))}
                )
            }
        )
        for field in dataclasses.fields(value)
        if field.name not in ("test", "test_sequences")
    }
    assert RUN.digest not in digests.values()
    assert len(set(digests.values())) == len(digests)


def test_a_later_field_enters_the_digest_only_where_it_is_set() -> None:
    assert not LATER.keys() & RUN.params["training"].keys()
    for name, value in LATER.items():
        changed = Run(replace(EXPERIMENT, training=replace(TRAINING, **{name: value})), 7)
        assert changed.params["training"][name]["kind"] == type(value).__name__
        assert changed.digest != RUN.digest


def test_stages_that_have_no_room_are_refused() -> None:
    late = Stages(((0, (range(1, 3),)), (TRAINING.steps, (range(1, 5),))))
    with pytest.raises(ValueError, match=rf"a stage begins only at step {TRAINING.steps}"):
        replace(TRAINING, sizes=late)
    for schedule in (WarmUp(TRAINING.steps + 1), Cosine(warm_up=TRAINING.steps)):
        with pytest.raises(ValueError, match=r"Training\(steps=.*, schedule=.*\): its warm-up is longer than that"):
            replace(TRAINING, schedule=schedule)
    replace(TRAINING, schedule=WarmUp(TRAINING.steps))
    two = Stages(((0, (range(1, 3), range(1, 3))),))
    with pytest.raises(ValueError, match=r"are not sizes of Copy"):
        replace(EXPERIMENT, training=replace(TRAINING, sizes=two))


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ((), r"Stages\(first steps \[\]\): accepted are whole numbers that rise from 0"),
        (((5, (range(1, 3),)),), r"first steps \[5\]"),
        (((0, (range(1, 3),)), (0, (range(1, 3),))), r"first steps \[0, 0\]"),
        (((0, (range(1, 3),)), (9, (range(1, 3),)), (5, (range(1, 3),))), r"first steps \[0, 9, 5\]"),
        (((0, (range(3, 3),)),), r"from step 0: .*: accepted is a range that is not empty"),
        (((0, ()),), r"from step 0"),
        (((0, (range(1, 3),)), (5, (range(1, 3), range(2)))), r"as many ranges as the first"),
    ],
)
def test_stages_that_are_none_are_refused(stages: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Stages(stages)


def test_the_longest_sequence_is_that_of_any_stage() -> None:
    task = Copy(train=(range(1, 4),))
    assert longest(task, TRAINING) == task.steps((3,))
    staged = replace(TRAINING, sizes=Stages(((0, (range(1, 9),)), (1, (range(1, 3),)))))
    assert longest(task, staged) == task.steps((8,))


def test_the_digest_depends_on_seed_revision_and_kind() -> None:
    @dataclass(frozen=True)
    class Other(Copy):
        """The same fields, another task."""

    changed = [
        Run(EXPERIMENT, 8).digest,
        digest(revision=2),
        digest(model=LSTM()),
        digest(task=Other()),
        digest(model=NTM(memory=Constant(1e-6))),
    ]
    assert len({RUN.digest, *changed}) == 6


@dataclass(frozen=True)
class Grown(Copy):
    """A task that has been given two fields since records were made of it."""

    gap: int = field(default=0, metadata={"since": 2})
    order: tuple[int, ...] = field(default_factory=lambda: (1, 2), metadata={"since": 3})


class TestAFieldThatIsAddedLater:
    def test_is_left_out_while_it_holds_its_default(self) -> None:
        there = {field.name for field in dataclasses.fields(Copy)} | {"kind"}
        assert plain(Grown()).keys() == plain(Grown(gap=0, order=(1, 2))).keys() == there
        assert digest(task=Grown()) == digest(task=Grown(gap=0))
        assert Run(replace(EXPERIMENT, task=Grown()), 7).params["task"].keys() == there

    def test_is_there_once_it_does_not(self) -> None:
        assert plain(Grown(gap=1))["gap"] == 1 and "order" not in plain(Grown(gap=1))
        assert plain(Grown(order=(2,)))["order"] == [2]
        assert len({digest(task=task) for task in (Grown(), Grown(gap=1), Grown(order=(2,)))}) == 3

    def test_without_a_mark_a_field_is_always_said(self) -> None:
        assert plain(Copy())["bits"] == 8


@dataclass(frozen=True)
class Echo:
    """A model of the user's own."""

    gain: float = 0.5

    def build(self, inputs: int, outputs: int, seed: int = 0) -> nn.Module:
        return nn.Linear(inputs, outputs)

    def state_size(self, steps: int) -> int:
        return 1


@dataclass(frozen=True)
class Say:
    """A task of the user's own."""

    inputs: int = 1
    outputs: int = 1
    train: tuple[range, ...] = (range(1, 3),)
    test: tuple[Size, ...] = ((2,),)

    def steps(self, size: Size) -> int:
        return size[0]

    def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
        zeros = torch.zeros(size[0], batch, 1)
        return Batch(zeros, zeros, zeros[..., 0])


def test_the_digest_of_a_written_record_is_not_lost() -> None:
    # If this fails, every record in the world has become stale: be sure to mean it.
    assert Run(Experiment("say", Say(), "echo", Echo(), TRAINING), 1).digest == "6e059925401d3d0f"


def test_params_are_plain_json() -> None:
    assert json.loads(json.dumps(RUN.params, allow_nan=False)) == RUN.params
    assert RUN.params["model"]["memory"] == {"kind": "Constant", "value": 1e-6, "trainable": True}
    assert RUN.params["task"]["train"] == [[1, 21, 1]]
    assert (RUN.key, EXPERIMENT.key) == ("copy/ntm/7", "copy/ntm")


@pytest.mark.parametrize(
    "value", [{"a": 1}, {1, 2}, torch.zeros(1), object(), Copy], ids=lambda value: type(value).__name__
)
def test_only_values_are_plain(value: Any) -> None:
    with pytest.raises(TypeError, match="only dataclasses, tuples"):
        plain((1, value))


def test_a_suite_runs_seed_by_seed() -> None:
    second = replace(EXPERIMENT, model_name="second")
    suite = Suite("s", "S", (EXPERIMENT, second), (3, 1), solved=0.1)
    assert [run.key for run in suite.runs()] == ["copy/ntm/3", "copy/second/3", "copy/ntm/1", "copy/second/1"]


def test_a_suite_refuses_what_could_not_be_told_apart_or_run() -> None:
    with pytest.raises(ValueError, match=r"Suite\('s'\): named twice: copy/ntm"):
        Suite("s", "S", (EXPERIMENT, replace(EXPERIMENT, model=LSTM())), (1,), solved=0.1)
    for experiments, seeds in (((), (1,)), ((EXPERIMENT,), ())):
        with pytest.raises(ValueError, match="at least one experiment and one seed"):
            Suite("s", "S", experiments, seeds, solved=0.1)


def test_a_suite_refuses_arms_that_claims_could_not_tell_apart() -> None:
    one, two = (replace(EXPERIMENT, model_name=f"ntm-{n}", arm="ntm") for n in (1, 2))
    with pytest.raises(ValueError, match=r"ntm-1 and ntm-2 are both the arm ntm \(cosine\) on copy"):
        Suite("s", "S", (one, two), (1,), solved=0.1)
    for change, said in (({"reading": "dot"}, r"ntm \(dot\)"), ({"arm": "other"}, r"other \(cosine\)")):
        elsewhere = replace(one, task_name="recall", **change)
        with pytest.raises(ValueError, match=rf"ntm-1 is the arm ntm \(cosine\), then {said}"):
            Suite("s", "S", (one, elsewhere), (1,), solved=0.1)
    Suite("s", "S", (one, replace(two, reading="dot"), replace(two, task_name="sort", reading="dot")), (1,), solved=0.1)


def test_a_suite_asks_each_claim_whether_it_has_what_it_speaks_of() -> None:
    arm = replace(EXPERIMENT, model_name="ntm-cosine", arm="ntm", task=Copy(test=((40,), (60,))))
    said = ("s-C1", "Something is said.", "somewhere [p]")

    def suite(*claims: Any) -> Suite:
        return Suite("s", "S", (arm, replace(arm, model_name="lstm", arm="", reading="")), (1,), 0.1, claims=claims)

    found = suite(Faster(*said, "copy", "ntm", "lstm"), Generalises("s-C2", *said[1:], "copy", "ntm-cosine", (60,)))
    assert [(a.model, a.name, a.reading, a.sizes) for a in found.arms] == [
        ("ntm-cosine", "ntm", "cosine", ((40,), (60,))),
        ("lstm", "lstm", "", ((40,), (60,))),
    ]
    for wrong, message in (
        (Faster(*said, "copy", "ntm", "lsmt"), "claim s-C1: no arm 'lsmt' on copy; there are ntm, lstm"),
        (
            Generalises(*said, "copy", "ntm", 40),
            r"claim s-C1: size=40: ntm-cosine is tested on copy at \(40,\), \(60,\)",
        ),  # type: ignore[arg-type]
        ("copy is solved", r"Suite\('s'\): claims: 'copy is solved' is not a claim"),
    ):
        with pytest.raises(ValueError, match=message):
            suite(wrong)
    with pytest.raises(ValueError, match=r"claims=NeverSolves\(.*\): a tuple is needed"):
        replace(found, claims=NeverSolves(*said, "copy", "ntm"))
    with pytest.raises(ValueError, match="claims named twice: s-C1"):
        suite(*[Faster(*said, "copy", "ntm", "lstm")] * 2)


@pytest.mark.parametrize("bar", ["solved", "relapse"])
def test_a_suite_has_a_bar_for_every_task_or_one_for_each(bar: str) -> None:
    both = (EXPERIMENT, replace(EXPERIMENT, task_name="recall"))
    bars: dict[str, Any] = {"solved": 0.1, "relapse": 1.0}
    assert Suite("s", "S", both, (1,), **bars | {bar: {"copy": 0.1, "recall": 2.0}})
    with pytest.raises(ValueError, match=rf"Suite\('s'\): {bar} of copy: accepted is copy, recall"):
        Suite("s", "S", both, (1,), **bars | {bar: {"copy": 0.1}})
    with pytest.raises(ValueError, match=rf"Suite\('s'\): {bar} of copi, recall: accepted is copy, recall"):
        Suite("s", "S", both, (1,), **bars | {bar: {"copi": 0.1, "recall": 0.1}})
    for value in (0.0, -1.0, float("nan"), {"copy": 0.1, "recall": 0.0}):
        with pytest.raises(ValueError, match=rf"Suite\('s'\): {bar}=.*: a bar above 0 is needed"):
            Suite("s", "S", both, (1,), **bars | {bar: value})


@pytest.mark.parametrize("seeds", [(1, 1), (1, -1), (1, 2.5)])
def test_a_suite_refuses_seeds_that_are_not_different_integers(seeds: Any) -> None:
    with pytest.raises(ValueError, match="accepted are different integers from 0 on"):
        Suite("s", "A suite", (EXPERIMENT,), seeds=seeds, solved=0.1)


@pytest.mark.parametrize("name", ["steps", "batch", "eval_every", "eval_batch", "test_sequences"])
def test_training_refuses_zero(name: str) -> None:
    with pytest.raises(ValueError, match=rf"Training\({name}=0\): at least 1"):
        replace(TRAINING, **{name: 0})


def test_training_refuses_nothing_to_evaluate_on() -> None:
    with pytest.raises(ValueError, match="at least one size"):
        Training(steps=1, eval_sizes=())


def test_padding_sets_batches_side_by_side_and_ends_the_short_ones_in_silence() -> None:
    short, long = (Copy().sample((size,), 2, stream("pad", size)) for size in (1, 3))
    together = pad([short, long, short])
    assert together.inputs.shape == (7, 6, 9)
    assert together.targets.shape == (7, 6, 8)
    assert together.scored.shape == (7, 6)
    for whole, part, full in zip(together, short, long, strict=True):
        for place in (slice(0, 2), slice(4, 6)):
            assert whole[:3, place].equal(part)
            assert not whole[3:, place].any()
        assert whole[:, 2:4].equal(full)


def test_padding_one_batch_changes_nothing() -> None:
    batch = Copy().sample((3,), 2, stream("pad"))
    assert all(a.equal(b) for a, b in zip(pad([batch]), batch, strict=True))


def test_a_suite_s_file_may_define_a_model_of_its_own(tmp_path: Path) -> None:
    """As a dataclass whose annotations are texts, which look their meaning up in the module."""
    text = (Path(__file__).parent / "tiny.py").read_text().replace('"""A suite', '"""A new suite', 1)
    head, _, rest = text.partition("from membench")
    mine = "from dataclasses import dataclass\n\n\n@dataclass(frozen=True)\nclass Mine:\n    units: int = 3\n\n\n"
    (tmp_path / "mine.py").write_text(f"{head}from __future__ import annotations\n\n{mine}from membench{rest}")
    assert find(str(tmp_path / "mine.py")).name == "tiny"


def test_numpy_s_numbers_are_stored_as_plain_ones() -> None:
    """Wherever they stand; what has none is the same object."""
    training = Training(steps=np.int64(100), eval_sizes=((np.int32(1),), (2,)), optimizer=Adam(np.float64(1e-3)))
    task = Copy(bits=np.uint8(8), train=(range(1, 21),), test=((np.int64(40),),))
    model = NTM(rows=np.int16(16), memory=Constant(np.float32(0.5)))
    one = Suite(
        "s",
        "S",
        (Experiment("copy", task, "ntm", model, training),),
        (np.int64(1),),
        np.float32(0.5),
        budget=np.int64(9),
    )
    assert (type(one.seeds[0]), type(one.solved), type(one.budget)) == (int, float, int)
    (run,) = one.runs()
    text = json.dumps(run.params)
    plainly = Experiment(
        "copy",
        Copy(test=((40,),)),
        "ntm",
        NTM(rows=16, memory=Constant(0.5)),
        Training(steps=100, eval_sizes=((1,), (2,)), optimizer=Adam(1e-3)),
    )
    assert text == json.dumps(Run(plainly, 1).params) and run.digest == Run(plainly, 1).digest
    assert all(type(value) in (int, float) for value in (run.experiment.model.rows, run.experiment.training.steps))
    assert EXPERIMENT.model is replace(EXPERIMENT).model and EXPERIMENT.task is replace(EXPERIMENT).task


@dataclass(frozen=True)
class Holds:
    """A model with a field of any kind."""

    part: Any

    def build(self, inputs: int, outputs: int, seed: int = 0) -> nn.Module:
        return nn.Linear(inputs, outputs)


class NotOne(Copy):
    """A task whose steps are no count."""

    def steps(self, size: Size) -> int:
        return 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": Holds({"a": 1})}, r"copy/ntm: model.part is dict {'a': 1}: only dataclasses, tuples"),
        ({"model": Holds((1, nn.Linear(2, 2)))}, r"copy/ntm: model.part\[1\] is Linear: only dataclasses"),
        ({"model": Holds(Holds(LSTM))}, r"copy/ntm: model.part.part is the class LSTM: only dataclasses"),
        ({"model": Holds(object())}, r"copy/ntm: model.part is object <object"),
        ({"model": Holds(float("nan"))}, r"copy/ntm: model.part is float nan: .* finite numbers"),
        ({"model": NTM(clip_heads=float("inf"))}, r"copy/ntm: model.clip_heads is float inf"),
        ({"model": Adam()}, r"copy/ntm: model=Adam\(.* has no build"),
        ({"model": None}, r"copy/ntm: model=None has no build"),
        ({"tested": 3}, r"copy/ntm: tested=3 has no build"),
        ({"task": LSTM()}, r"copy/ntm: task=LSTM\(.* has no inputs, no outputs, no train"),
        ({"training": None}, r"copy/ntm: training=None has no steps"),
        ({"training": Training(steps=1, eval_sizes=((1, 2),))}, r"copy/ntm: size \(1, 2\): "),
        ({"training": Training(steps=1, eval_sizes=(1,))}, r"copy/ntm: size 1: "),  # type: ignore[arg-type]
        ({"task": NotOne()}, r"copy/ntm: size \(1,\) takes 0 steps"),
        ({"task_name": "Traces"}, r"task_name='Traces'\): a suite's own folder has something of that name"),
        ({"task_name": 3}, r"Experiment\(task_name=3\)"),
    ],
)
def test_an_experiment_names_what_cannot_be(change: Any, says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says) as refused:
        replace(EXPERIMENT, **change)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"solved": 0}, r"Suite\('s'\): solved=0: a bar above 0 is needed"),
        ({"solved": None}, "solved=None"),
        ({"solved": float("nan")}, "solved=nan"),
        ({"solved": "0.1"}, "solved='0.1'"),
        ({"own": "gru"}, "own='gru': accepted is a model of its factors: none"),
        ({"factors": {"gru": {"a": "1"}}}, r"Suite\('s'\): factors: 'gru' is none of its models: ntm$"),
        ({"factors": {"ntm": {}}}, "factors: 'ntm' has no levels; accepted is one of each"),
        ({"provisional": ("sort",)}, "provisional='sort': accepted are its tasks: copy"),
        ({"budget": 0}, "budget=0: accepted is a number of steps, or None"),
        ({"budget": 1.5}, "budget=1.5"),
        ({"name": "index.html"}, r"Suite\(name='index.html'\): the results folder has a file of that name"),
        ({"name": "mlflow.db"}, "the results folder has a file"),
        ({"name": "MLflow.db-wal"}, "the results folder has a file"),
        ({"name": "speed.json"}, "the results folder has a file"),
        ({"name": "speed-gpu.json"}, "the results folder has a file"),
        ({"name": None}, r"Suite\(name=None\): letters"),
    ],
)
def test_a_suite_names_what_cannot_be(change: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(Suite("s", "S", (EXPERIMENT,), (1,), solved=0.1), **change)
    assert Suite("index", "S", (EXPERIMENT,), (1,), solved=1).solved == 1


@pytest.mark.parametrize(
    ("levels", "says"),
    [
        ({"b": "1"}, "factors: 'lstm' has levels of b, but 'ntm' of a, b; accepted are the same factors in the same"),
        ({"b": "1", "a": "2"}, "has levels of b, a, but 'ntm' of a, b"),
        ({"a": "1", "b": "1"}, "factors: 'lstm' has all levels of 'ntm': 1, 1$"),
    ],
)
def test_models_of_a_grid_have_a_level_of_each_factor(levels: dict[str, str], says: str) -> None:
    other = replace(EXPERIMENT, model_name="lstm")
    with pytest.raises(ValueError, match=says):
        Suite("s", "S", (EXPERIMENT, other), (1,), 0.1, factors={"ntm": {"a": "1", "b": "1"}, "lstm": levels})


@pytest.mark.parametrize("value", [1.5, "9", None, float("nan"), True])
def test_training_refuses_what_is_no_count(value: Any) -> None:
    with pytest.raises(ValueError, match="at least 1 is needed, a whole number"):
        replace(TRAINING, steps=value)

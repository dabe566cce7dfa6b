"""Which sizes are trained on as training goes on: a function of the step alone, so that arms stay paired."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stages:
    """A curriculum of stages, each with training ranges of its own.

    What a step draws never depends on what was learned: every model is shown the same sequences, and a resumed
    training goes on exactly.

    Attributes:
        stages: (first step, training ranges) of each, one range a dimension of a size, in the order of their steps:
            ``((0, (range(1, 6),)), (2000, (range(1, 21),)))`` draws lengths of 1 to 5, from step 2,000 on of 1 to 20.

    Raises:
        ValueError: No stage, none that begins at step 0, one that begins before the one above it, or a range that is
            empty or of another number of dimensions.
    """

    stages: tuple[tuple[int, tuple[range, ...]], ...]

    def __post_init__(self) -> None:
        firsts = [first for first, _ in self.stages]
        if not all(isinstance(first, int) for first in firsts) or firsts[:1] != [0] or firsts != sorted(set(firsts)):
            raise ValueError(f"Stages(first steps {firsts}): accepted are whole numbers that rise from 0")
        for first, sizes in self.stages:
            if not sizes or not all(isinstance(each, range) and each for each in sizes):
                raise ValueError(f"Stages(from step {first}: {sizes}): accepted is a range that is not empty, each")
        if len({len(sizes) for _, sizes in self.stages}) > 1:
            raise ValueError(f"Stages({self.stages}): every stage needs as many ranges as the first")

    def at(self, step: int) -> tuple[range, ...]:
        """The training ranges of a step, counted from 0."""
        return next(sizes for first, sizes in reversed(self.stages) if first <= step)

"""Optimisers' steps as one compiled pass over the parameters each, where torch's operations take a pass apiece.

A step of training on a single sequence is so short that those passes are an eighth of it. The numbers are the same to
the last bit: where torch fuses a product into a sum it says ``fma`` here, and the compiler fuses nothing of its own.
"""

from functools import partial
from typing import Any

import numpy as np

from ..ntm.kernels.lanes import fma
from ..ntm.kernels.math import ZERO, Floats, loop


@partial(loop, counted=False, loose=False)
def graves_rmsprop(
    parameters: Floats, gradients: Floats, momentum: Floats, square: Floats, mean: Floats,
    rate: np.float32, kept: np.float32, decay: np.float32, fresh: np.float32, epsilon: np.float32,
) -> Any:  # fmt: skip
    """What ``optimizers.GravesRMSProp.move`` does, to arrays of one length that do not overlap.

    Args:
        rate: By which momentum grows: less than 0.
        kept: Of the momentum.
        decay: Of the square and the mean.
        fresh: What the gradient adds to them: 1 - decay.
    """
    for n in range(parameters.shape[0]):
        g = gradients[n]
        square[n] = fma(fresh * g, g, decay * square[n])
        mean[n] = fma(fresh, g, decay * mean[n])
        variance = fma(-mean[n], mean[n], square[n])
        variance = ZERO if variance < ZERO else variance  # and NaN stays NaN
        momentum[n] = kept * momentum[n] + rate * g / np.sqrt(variance + epsilon)
        parameters[n] += momentum[n]

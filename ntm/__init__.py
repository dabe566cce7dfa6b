"""The Neural Turing Machine (Graves et al. 2014), as a library of its own.

from membench.ntm import NTM, Constant
ntm = NTM(rows=128, width=20, memory=Constant(1e-6)).build(inputs=9, outputs=8, seed=1)
logits = ntm(inputs)  # (time, batch, 9) -> (time, batch, 8)
logits, state = ntm(inputs, ntm.begin(batch))  # to stream: ntm(more, state), or ntm(more, state.detach())
logits = ntm(inputs, lengths=lengths)  # padded sequences
"""

from .cell import Heads, NTMCell, State
from .controller import FeedforwardController, LSTMController
from .memory import Bounded, Constant, Learned, OneHot, Random, Redrawn, Scaled, Uniform, Zeros
from .model import NTM, NTMModule
from .streams import seeded, stream
from .unroll import unroll
from .weights import Glorot, Truncated, Weights

__all__ = [
    "NTM",
    "Bounded",
    "Constant",
    "FeedforwardController",
    "Glorot",
    "Heads",
    "LSTMController",
    "Learned",
    "NTMCell",
    "NTMModule",
    "OneHot",
    "Random",
    "Redrawn",
    "Scaled",
    "State",
    "Truncated",
    "Uniform",
    "Weights",
    "Zeros",
    "seeded",
    "stream",
    "unroll",
]

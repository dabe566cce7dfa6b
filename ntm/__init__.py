"""The Neural Turing Machine (Graves et al. 2014), as a library of its own.

from membench.ntm import NTM, Constant
module = NTM(rows=128, width=20, memory=Constant(1e-6)).build(inputs=9, outputs=8, seed=1)
logits = module(inputs)  # (time, batch, 9) -> (time, batch, 8)
"""

from .cell import Heads, NTMCell, State
from .controller import FeedforwardController, LSTMController
from .memory import Constant, Learned, OneHot, Random, Scaled, Uniform, Zeros
from .model import NTM, NTMModule
from .streams import stream
from .unroll import unroll

__all__ = [
    "NTM",
    "Constant",
    "FeedforwardController",
    "Heads",
    "LSTMController",
    "Learned",
    "NTMCell",
    "NTMModule",
    "OneHot",
    "Random",
    "Scaled",
    "State",
    "Uniform",
    "Zeros",
    "stream",
    "unroll",
]

"""What decides the digits of a process that trains, wherever it runs."""

from contextlib import suppress

import torch


def prepare() -> None:
    """One thread, and no instructions beyond those that the record will name. To be called before anything is computed.

    Sums over several threads are in another order; newer instructions round otherwise, and so do a GPU's TF32 products,
    with which cuDNN's LSTM and GRU would keep 10 bits of every factor's 23.
    """
    torch.set_num_threads(1)
    torch.backends.cudnn.allow_tf32 = False
    with suppress(Exception):  # a numba that does not import says so in many ways; then the reference trains
        from ...ntm.kernels.baseline import limit_libraries

        limit_libraries()

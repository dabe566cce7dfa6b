"""What all tests share: one thread, and the suite of seconds."""

from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture
def tiny() -> str:
    """The path of a suite of two experiments and two seeds, each run a second long."""
    return str(Path(__file__).with_name("tiny.py"))

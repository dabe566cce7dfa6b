"""The Differentiable Neural Computer (Graves et al. 2016), and the variants that others proposed."""

from .model import DNC

__all__ = ["DNC"]

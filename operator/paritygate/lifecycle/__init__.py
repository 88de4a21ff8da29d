"""What to do next, as a pure function of what was observed: no clock, no chance, no input or output."""

from .model import Observed, Plan
from .plan import plan

__all__ = ["Observed", "Plan", "plan"]

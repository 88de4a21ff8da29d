"""Why a result is believed: it agrees with itself and its plan, and its counts give its verdict again."""

from .coherence import MOST_ITEMS, ResultRefused
from .replay import recompute

__all__ = ["MOST_ITEMS", "ResultRefused", "recompute"]

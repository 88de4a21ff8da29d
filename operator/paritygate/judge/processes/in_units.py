"""What processes over losses or shares in whole units have in common: the log, what it sums to, both wealths."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from paritygate.api import GateRecord
from paritygate.stats import bounded
from paritygate.stats.wealth import Wealth, harm_threshold, pass_threshold

from ..batchlog import decode_units, encode_units
from .terms import Ints, Terms, TwoSided, within


class InUnits(TwoSided[Wealth], ABC):
    """Counts one whole number an item, or a cluster, in units of `bounded.UNIT`."""

    def __init__(self, terms: Terms, batch: int) -> None:
        self._terms, self.batch = terms, batch
        self._pass = Wealth(pass_threshold(terms.alpha))
        self._harm = Wealth(harm_threshold(terms.hard, terms.alpha_fail))
        self._log: list[Ints] = [np.zeros(0, np.int64)]

    def take(self, values: Ints) -> None:
        """Count whole units."""
        self._log.append(values)
        self._bet_on(values)

    def replay(self, log: str, n: int) -> None:
        """Count what a record says."""
        self.take(decode_units(log, n, self.batch))

    def figures(self) -> dict[str, Any]:
        """The log, wealth and estimate."""
        return {
            "n": self.n,
            "batch_log": encode_units(self._units, self.batch),
            "estimate": int(self._units.sum()) * bounded.UNIT / self.n if self.n else None,
            "log_e": self._pass.log_e,
            "log_e_harm": self._harm.log_e,
        }

    def supports(self, record: GateRecord) -> bool:
        """Whether the counts give an interval and a margin no wider than these. It costs a search."""
        return within(record, self.searched())

    @abstractmethod
    def searched(self) -> dict[str, Any]:
        """Interval and, where one is proved, margin."""

    @abstractmethod
    def _bet_on(self, units: Ints) -> None:
        """Both wealths after these."""

    @property
    def _units(self) -> Ints:
        self._log = [np.concatenate(self._log)]
        return self._log[0]

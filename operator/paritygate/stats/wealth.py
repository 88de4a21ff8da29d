"""What all e-processes share: thresholds by Ville's inequality, the latch, the bet, refusals that name the value.

A batch is recorded as counts: how many of its items had each of J values. A bet `stake` against "the mean is at least
m" multiplies wealth by 1 + stake (m - value) for each item; its stake may depend on EARLIER batches only. An e-process
is an equal mixture of such bets, often of a single one (Waudby-Smith & Ramdas 2024, JRSS-B 86, section 4).
"""

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def pass_threshold(alpha: float) -> float:
    """Log wealth at which a pass latches: ln(1/alpha).

    Ville 1939: a non-negative supermartingale that starts at 1 ever reaches 1/alpha with probability <= alpha.
    Any number of gates shares one alpha, because promotion needs ALL of them (Berger 1982, intersection-union).
    Raises ValueError unless 0 < alpha < 1.
    """
    return -math.log(check_fraction("alpha", alpha))


def harm_threshold(gates: int, alpha_fail: float = 0.05) -> float:
    """Log wealth at which proof of harm latches: ln(gates/alpha_fail), a union bound over the hard gates.

    Raises ValueError unless gates >= 1 and 0 < alpha_fail < 1.
    """
    if gates < 1:
        raise ValueError(f"gates must be at least 1, got {gates}")
    return math.log(gates / check_fraction("alpha_fail", alpha_fail))


@dataclass(frozen=True, slots=True)
class Wealth:
    """An e-process after `items` items; resumable, so a crash or a retry continues the same bets.

    Start one with `Wealth(pass_threshold(alpha))`, or with `harm_threshold(gates)` for the proof of harm. `latched_at`
    is the item count at which log wealth first reached `threshold`; it never opens again, because Ville bounds the
    supremum. `sup_log_e` starts at 0: wealth 1 before the first item. `logs` are the log wealths of the bets it
    mixes, `sums` what the next stakes depend on (each module says what it sums); () before the first item.
    """

    threshold: float
    items: int = 0
    log_e: float = 0.0
    sup_log_e: float = 0.0
    latched_at: int | None = None
    logs: tuple[float, ...] = ()
    sums: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.threshold) and self.threshold > 0):
            raise ValueError(f"threshold must be a positive log wealth, got {self.threshold}")

    @property
    def latched(self) -> bool:
        """Whether the claim is proved."""
        return self.latched_at is not None

    def after(self, gains: "Gains") -> Self:
        """The same process after the batches of one run more; cutting a run into several calls changes no bit of it.

        Raises ValueError for gains of several runs, or such as were worked out after another state.
        """
        if gains.logs.ndim != 2:
            raise ValueError(
                f"one run has batches in one row, these are several: log gains of shape {gains.logs.shape}"
            )
        if not gains.items.size:
            return self
        if gains.before not in (None, self.items):
            raise ValueError(f"these gains come after {gains.before} items, the process has counted {self.items}")
        begun = self.logs or (0.0,) * gains.logs.shape[-1]
        logs = np.cumsum(np.concatenate(([begun], gains.logs)), axis=0)[1:]
        moved = self.looked(np.where(gains.certain, np.inf, log_mean_exp(logs)), self.items + np.cumsum(gains.items))
        added = (more.sum().item() for more in gains.sums)
        sums = (was + more for was, more in zip(self.sums or (0,) * len(gains.sums), added, strict=True))
        return replace(moved, logs=tuple(logs[-1].tolist()), sums=tuple(sums))

    def looked(self, log_e: Floats, items: Ints) -> Self:
        """The same process after looks at `items` (k,) total items with log wealth `log_e` (k,).

        Raises ValueError on NaN wealth: it would never latch and never say why.
        """
        if log_e.size == 0:
            return self
        if np.isnan(log_e).any():
            raise ValueError(f"log wealth is NaN after {items[int(np.isnan(log_e).argmax())]} items")
        latched_at = self.latched_at
        if latched_at is None and (reached := log_e >= self.threshold).any():
            latched_at = int(items[int(reached.argmax())])
        sup = max(self.sup_log_e, float(log_e.max()))
        return replace(self, items=int(items[-1]), log_e=float(log_e[-1]), sup_log_e=sup, latched_at=latched_at)


@dataclass(frozen=True, slots=True)
class Gains:
    """What each of k batches adds to a process, as `gains` of its module says: for `Wealth.after`, or for a `path`.

    `logs` (..., k, bets) are the log gains of the bets it mixes, `items` (..., k) how many a batch holds, `sums`
    (..., k) each what later stakes depend on. Wealth is infinite where the null is `certain` (..., k) to be false.
    `before` are the items that a resumed run had counted; None where stakes depend on nothing.
    """

    logs: Floats
    items: Ints
    sums: tuple[Ints | Floats, ...] = ()
    certain: npt.ArrayLike = False
    before: int | None = None

    def path(self) -> Floats:
        """Log wealth (..., k) after each batch of one run or of many, from the first on."""
        return np.where(self.certain, np.inf, log_mean_exp(np.cumsum(self.logs, axis=-2)))


@dataclass(frozen=True, slots=True)
class Bet:
    """The preregistered parameters of a bet that learns. Any value is valid; only speed changes.

    What is believed beforehand weighs as much as `c` items; a stake lasts a `batch` of items.
    Raises ValueError unless c > 0 and batch >= 1.
    """

    c: float = 200.0
    batch: int = 8

    def __post_init__(self) -> None:
        if not 0 < self.c < math.inf:
            raise ValueError(f"c must be positive, got {self.c}")
        if self.batch < 1:
            raise ValueError(f"batch must be at least 1 item, got {self.batch}")


def log_gains(values: Floats, counts: Ints, mean: npt.ArrayLike, stakes: npt.ArrayLike) -> Floats:
    """Log of prod (1 + stake (mean - value)) over each batch: the wealth that a bet against a larger mean gains.

    `values` (..., J) of the items and how many have them, `counts` (..., k, J); `mean` and `stakes` broadcast against
    (..., k). A negative stake bets against a smaller mean.
    """
    m, stake = np.asarray(mean, np.float64), np.asarray(stakes, np.float64)
    often = counts.astype(np.float64)  # once: it would be done again for every bet
    gains: Floats = often[..., 0] * np.log1p(stake * (m - values[..., 0]))
    for kind in range(1, counts.shape[-1]):  # not one array of all kinds: it would not fit the processor's cache
        gains += often[..., kind] * np.log1p(stake * (m - values[..., kind]))
    return gains


def log_mean_exp(logs: Floats) -> Floats:
    """Log of the mean of exp(logs) over the last axis, without overflow: the wealth of an equal mixture of bets."""
    top = logs.max(-1, keepdims=True)
    shares = logs - top
    mixture: Floats = top[..., 0] + np.log(np.exp(shares, out=shares).mean(-1))
    return mixture


def earlier(added: npt.ArrayLike, before: float = 0) -> npt.NDArray[np.float64]:
    """Sum (..., k) over all batches before each, `before` the first: all that a stake may know of `added` (..., k)."""
    more = np.asarray(added)
    sums: Floats = before + np.cumsum(more, -1) - more
    return sums


def check_fraction(name: str, value: float) -> float:
    """Return `value` if it lies strictly between 0 and 1, else raise ValueError (NaN included)."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {value}")
    return value


def check_counts(batches: npt.ArrayLike, columns: int) -> Ints:
    """Return `batches` as int64 (..., k, columns); raise ValueError for another shape, fractions, negative counts."""
    counts = np.asarray(batches)
    if counts.size == 0 and counts.ndim < 2:
        return np.zeros((0, columns), np.int64)
    if counts.ndim < 2 or counts.shape[-1] != columns:
        raise ValueError(f"batches must have {columns} counts each, got an array of shape {counts.shape}")
    if counts.dtype.kind not in "iu":
        raise ValueError(f"batches must be whole counts, got {counts.dtype}")
    if counts.size and (low := counts.min()) < 0:
        raise ValueError(f"batches hold a negative count: {low}")
    return counts.astype(np.int64, copy=False)


def check_sizes(counts: Ints, batch: int, items_before: int = 0) -> Ints:
    """Return the items (..., k) of each batch; raise ValueError unless all are full but the last, which may be short.

    A bet is fixed per batch, so another cut of the same items would be another bet: the cut is part of the record.
    """
    sizes: Ints = np.einsum("...j->...", counts)  # over so few columns sum() takes five times as long
    if not sizes.size:
        return sizes
    if items_before % batch:
        raise ValueError(f"the run already ended with a short batch: {items_before} items is no multiple of {batch}")
    if (wrong := sizes[..., :-1] != batch).any():
        raise ValueError(f"every batch but the last must hold {batch} items, got {sizes[..., :-1][wrong][0]}")
    last = sizes[..., -1]
    if (wrong := (last < 1) | (last > batch)).any():
        raise ValueError(f"the last batch must hold 1 to {batch} items, got {last[wrong][0]}")
    return sizes

"""Claims made side by side: which of several gates did harm, and the candidates tried one after another on one set."""

from math import pi

import numpy as np
import numpy.typing as npt

from .wealth import Floats, check_fraction


def adjusted_harm(sup_log_e: npt.ArrayLike) -> Floats:
    """Holm-adjusted p-values (G,) from the largest log harm wealth (G,) of each gate in the family.

    Name every gate whose value is at most alpha_fail: the chance of naming any harmless one is at most alpha_fail.
    By Ville, exp(-sup log E) is a p-value at any time; Holm 1979 needs no independence, so slices may overlap.
    Raises ValueError for NaN.
    """
    p = np.exp(-np.maximum(_log_e(sup_log_e), 0))
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)))
    return adjusted


def adjusted_exploratory(log_e: npt.ArrayLike, family: int | None = None) -> Floats:
    """e-BH-adjusted values (k,) from the log harm wealth (k,) of exploratory slices, all AT ONE common time.

    Name every slice whose value is at most q: of those named, a share of at most q is harmless in expectation (FDR),
    whatever their dependence: value (i) is the least G/(j e_(j)) over j >= i of the e-values in falling order (Wang &
    Ramdas 2022, JRSS-B 84). `family` is G, the slices that were looked at; default: these. Of a larger family the k
    largest may be given alone: what is named is self-consistent (their Prop. 2), so the FDR holds, and if all that
    e-BH names are among the k the values are the same. NOT for running maxima, nor for wealth taken at each slice's
    own time: there the FDR is not controlled. Raises ValueError for NaN, or a family smaller than k.
    """
    logs = _log_e(log_e)
    size = logs.size if family is None else family
    if size < logs.size:
        raise ValueError(f"{logs.size} slices are more than the {size} that were looked at")
    order = np.argsort(-logs, kind="stable")
    adjusted = np.empty_like(logs)
    least = np.log(size / np.arange(1, logs.size + 1)) - logs[order]
    adjusted[order] = np.exp(np.minimum(0, np.minimum.accumulate(least[::-1])[::-1]))
    return adjusted


def alpha_of_candidate(alpha: float, number: int, *, saw_verdicts: bool = False) -> float:
    """The part of alpha for the `number`-th candidate (from 1) tried on one locked set: alpha 6/(pi k)^2, in all alpha.

    So the chance that any bad candidate of an endless line passes is at most alpha, if none was built from this set's
    outcomes. `saw_verdicts`: its maker saw the verdicts of the earlier ones, so each could be one of 3^(k - 1), which
    share its part. Whoever saw results of items or slices has tuned on the set: no alpha helps.
    Raises ValueError for an alpha outside (0, 1) or a number below 1.
    """
    if number < 1:
        raise ValueError(f"candidates are numbered from 1, got {number}")
    return check_fraction("alpha", alpha) * 6 / (pi * number) ** 2 / (3.0 ** (number - 1) if saw_verdicts else 1.0)


def _log_e(values: npt.ArrayLike) -> Floats:
    logs = np.asarray(values, np.float64)
    if np.isnan(logs).any():
        raise ValueError(f"log harm wealth number {int(np.isnan(logs).argmax())} is NaN")
    return logs

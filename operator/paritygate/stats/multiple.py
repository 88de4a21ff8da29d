"""Which of several gates did harm: naming culprits is a claim of its own, beside the verdict."""

import numpy as np
import numpy.typing as npt

from .wealth import Floats


def adjusted_harm(sup_log_e: npt.ArrayLike) -> Floats:
    """Holm-adjusted p-values (G,) from the largest log harm wealth (G,) of each gate in the family.

    Name every gate whose value is at most alpha_fail: the chance of naming any harmless one is at most alpha_fail.
    By Ville, exp(-sup log E) is a p-value at any time; Holm 1979 needs no independence, so slices may overlap.
    Raises ValueError for NaN.
    """
    sups = np.asarray(sup_log_e, np.float64)
    if np.isnan(sups).any():
        raise ValueError(f"log harm wealth number {int(np.isnan(sups).argmax())} is NaN")
    p = np.exp(-np.maximum(sups, 0))
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)))
    return adjusted

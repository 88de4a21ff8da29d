"""Losses scored by a judge model and corrected by people, so that what the judge does not see cannot pass.

Per item h is the difference of the two answers' scores as the judge sees it and d as a human does, in [-1, 1], positive
= candidate worse. A human reviews the items with xi = 1, drawn beforehand with chance `share` (`order.uniforms` below
it). d~ = h + (xi/share) (d - h) has the mean of d however wrong the judge is, and |d~| <= B = max(1, 2/share - 1).

d~/B is a loss for `bounded`, with margin/B for its margin: a bet below 1/(1 - margin/B) on it is a bet below
1/(B - margin) on d~. Betting on losses weighted by their chance: Waudby-Smith, Wu, Ramdas, Karampatziakis & Mineiro
2024 (ACM/IMS J. Data Sci. 1); the correction: Angelopoulos et al. 2023 (Science 382, prediction-powered inference).
"""

import numpy as np
import numpy.typing as npt

from .wealth import Floats


def largest_loss(share: float) -> float:
    """B = max(1, 2/share - 1), which divides losses and margin. Raises ValueError unless 0 < share <= 1."""
    if not 0 < share <= 1:
        raise ValueError(f"the share that humans review must be above 0 and at most 1, got {share}")
    return max(1.0, 2 / share - 1)


def corrected_losses(judge: npt.ArrayLike, human: npt.ArrayLike, reviewed: npt.ArrayLike, share: float) -> Floats:
    """d~/B (n,) in [-1, 1], from h (n,), d (n,) and the coins xi (n,), true or false; for `bounded.to_units`.

    `human` counts only where the coin said so: more looks, chosen by what one saw, would not correct but bias. Raises
    ValueError for unequal lengths, a score that counts and is not in [-1, 1] (NaN included), or an impossible share.
    """
    largest = largest_loss(share)
    h, d, xi = np.asarray(judge, np.float64), np.asarray(human, np.float64), np.asarray(reviewed, np.bool_)
    if not h.shape == d.shape == xi.shape:
        raise ValueError(f"scores and coins must be of one shape, got {h.shape}, {d.shape} and {xi.shape}")
    for name, scores in (("judge", h), ("human", d[xi])):
        if (wrong := ~(np.abs(scores) <= 1)).any():
            raise ValueError(f"a score of the {name} must lie between -1 and 1, got {scores[wrong][0]}")
    corrected: Floats = (h + np.where(xi, d - h, 0) / share) / largest
    return np.clip(corrected, -1, 1)  # the last bit of a quotient

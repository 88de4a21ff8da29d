"""The alpha of one candidate: the policy's, or its share when the candidates tried on the same packs share it."""

from math import pi

from paritygate.api import EvaluationPlan


def alpha_of(plan: EvaluationPlan) -> float:
    """With a budget the k-th candidate gets 6 / (pi k)^2 of alpha: over any number of candidates the sum is alpha."""
    alpha = float(plan.alpha)
    return alpha * 6 / (pi * plan.candidate_number) ** 2 if plan.alpha_budget else alpha

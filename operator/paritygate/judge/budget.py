"""The alpha of one candidate: the policy's, or its share when the candidates tried on the same packs share it."""

from paritygate.api import EvaluationPlan
from paritygate.stats.multiple import alpha_of_candidate


def alpha_of(plan: EvaluationPlan) -> float:
    """With a budget the k-th candidate gets its share: over any number of candidates the sum is alpha."""
    alpha = float(plan.alpha)
    return alpha_of_candidate(alpha, plan.candidate_number) if plan.alpha_budget else alpha

"""Random lives: whatever happens in whatever order, traffic follows only a Passed report, and faults end somewhere."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from paritygate.api import Outcome
from paritygate.lifecycle import plan

from ..serving.kserve_model import RECONCILERS, A, C, crashed, settled
from . import builders
from .world import KilledError, World

OTHER = {"uri": C, "digest": builders.SHA[C], "technique": "Int8Static"}


class Life(RuleBasedStateMachine):
    """One validation; the World itself asserts that no write to the target goes unannounced or without a verdict."""

    @initialize(before=st.sampled_from(["", "pvc://models/old"]))
    def begin(self, before: str) -> None:
        self.world = World(kserve=settled(before=before))
        self.may_serve = {A, before}
        self.passed: set[str] = set()

    @rule(kill=st.one_of(st.none(), st.integers(0, 2)))
    def decide(self, kill: int | None) -> None:
        if self.world.gone:
            return
        self.world.kill_after = kill
        try:
            observed = self.world.observe()
            assert plan(observed) == plan(observed)
            self.world.step()
        except KilledError:
            pass
        self.world.kill_after = None

    @precondition(lambda self: self.world.jobs)
    @rule(kind=st.sampled_from(["passes", "passes", "passes", "fails", "ends-open"]))
    def the_evaluator_reports(self, kind: str) -> None:
        wanted = self.world.evaluator_plan()
        labels = self.world.jobs[self.world.job()]["metadata"]["labels"]
        self.world.report_result(builders.result(wanted, kind, attempt=int(labels["paritygate.io/attempt"])))
        if kind == "passes":
            self.passed.add(wanted.candidate.uri)

    @precondition(lambda self: self.world.jobs)
    @rule(
        status=st.sampled_from(
            [
                {"phase": "Running"},
                {"phase": "Failed", "reason": "Evicted"},
                {"phase": "Failed", "containerStatuses": []},
            ]
        )
    )
    def the_pod_changes(self, status: dict[str, Any]) -> None:
        self.world.pod_status(**status)

    @precondition(lambda self: self.world.jobs)
    @rule()
    def the_job_is_deleted(self) -> None:
        self.world.jobs.pop(self.world.job())

    @rule(who=st.sampled_from(RECONCILERS))
    def kserve_works(self, who: str) -> None:
        getattr(self.world.kserve, who)()

    @rule()
    def kserve_works_it_all_off(self) -> None:
        self.world.kserve.settle()

    @rule(seconds=st.sampled_from([2, 40, 700]))
    def time_passes(self, seconds: int) -> None:
        self.world.pass_time(seconds=seconds)

    @precondition(lambda self: self.world.status.release is not None)
    @rule()
    def the_candidate_crashes(self) -> None:
        self.world.serving_pods = [crashed(self.world.status.release.candidate_revision)]

    @rule(edit=st.sampled_from([{}, {"candidate": OTHER}, {"release": builders.VERDICT_ONLY}, {"purpose": "Cost"}]))
    def the_owner_edits(self, edit: dict[str, Any]) -> None:
        if not self.world.deleted:
            self.world.edit(**edit)

    @rule(policy=st.sampled_from([None, builders.policy(), builders.policy(alpha="0.01")]))
    def the_policy_changes(self, policy: Any) -> None:
        self.world.policy = policy

    @rule()
    def it_is_deleted(self) -> None:
        self.world.delete()

    @invariant()
    def nobody_is_served_what_did_not_pass(self) -> None:
        assert set(self.world.kserve.users()) <= self.may_serve | self.passed

    @invariant()
    def a_verdict_is_its_report(self) -> None:
        verdict = self.world.status.verdict
        if verdict is not None and self.world.reports:
            report = self.world.reports[verdict.report].spec
            assert (verdict.outcome, verdict.input_digest) == (report.outcome, report.input_digest)
            if verdict.outcome is Outcome.PASSED:
                assert report.plan.candidate.uri in self.passed

    def teardown(self) -> None:
        """Once the faults stop: at rest nothing is done, and a deleted validation is gone and leaves no canary."""
        world = self.world
        world.policy, world.serving_pods = builders.policy(), []
        for _ in range(600):
            if world.gone:
                break
            decided = world.step()
            world.kserve.settle()
            if not decided.actions and decided.requeue_after is None and plan(world.observe()).status == world.status:
                break
            if world.jobs and world.pods[world.job()]["status"].get("phase") in ("Pending", "Running"):
                world.pod_status(phase="Failed", reason="Evicted")
            world.pass_time(seconds=5)
        else:
            raise AssertionError(f"no rest: {world.status}")
        world.kserve.settle()
        if world.gone:
            assert world.kserve.percent is None
        else:
            assert plan(world.observe()).actions == ()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

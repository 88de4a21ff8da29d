"""Random walks: controllers in any order, stale views, late writes, crashes, recalls. What must hold, holds."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from paritygate.api import ReleaseOutcome, TrafficWrite
from paritygate.serving import Recall, Record, Sight, TargetReason, Write, advance, read_target
from paritygate.serving.back import UNDER_WAY

from .harness import COURSE, Flight
from .kserve_model import RECONCILERS, A, B, C, crashed, settled

FORWARD = {TrafficWrite.INTRODUCE, TrafficWrite.SHIFT, TrafficWrite.PROMOTE}


class Walk(RuleBasedStateMachine):
    """One release; every rule is something that can happen at any moment."""

    @initialize(before=st.sampled_from(["", C]), hold=st.booleans(), failing=st.booleans())
    def begin(self, before: str, hold: bool, failing: bool) -> None:
        self.flight = Flight(
            settled(before=before, failing={B} if failing else set()), course=replace(COURSE, hold_on_failure=hold)
        )
        self.views = [self.flight.sight()]
        self.late: list[Write] = []
        self.announced = 0
        self.foreign = False

    @rule(age=st.integers(0, 3))
    def operate(self, age: int) -> None:
        """The operator looks (perhaps at an old view) and acts; a kill is that it remembers nothing else."""
        if self.flight.release.outcome is not None:
            return
        view = self.views[max(0, len(self.views) - 1 - age)]
        sight = Sight(self.flight.now, view.target, view.revisions, self.flight.pods)
        move = advance(self.flight.release, self.flight.course, sight)
        assert advance(self.flight.release, self.flight.course, sight) == move
        if isinstance(move, Record):
            assert move.release != self.flight.release
            assert not (self.flight.release.back and not move.release.back)
            self.flight.release = move.release
        elif isinstance(move, Write):
            self.flight.check_announced(move)
            self.check_write(move)
            self.late.append(move)
            self.flight.kserve.patch(move.patch, move.resource_version)
        self.look()

    def check_write(self, move: Write) -> None:
        kserve, release = self.flight.kserve, self.flight.release
        fresh = move.resource_version == str(kserve.resource_version)
        predictor = move.patch["spec"]["predictor"]
        assert release.intent is not None
        if release.back or release.frozen:
            assert release.intent.write not in FORWARD
        if fresh and "model" not in predictor and kserve.percent is None:
            # A percent alone on a settled target is "back to the model before": only our own promotion is undone so.
            assert kserve.uri == B
            assert release.back
        if fresh and predictor.get("canaryTrafficPercent", 0) is None:
            assert kserve.uri == A or release.intent.write is TrafficWrite.PROMOTE

    @rule()
    def a_dead_operators_write_arrives(self) -> None:
        if self.late:
            write = self.late.pop(0)
            self.flight.kserve.patch(write.patch, write.resource_version)
            self.look()

    @rule(who=st.sampled_from(RECONCILERS))
    def work(self, who: str) -> None:
        getattr(self.flight.kserve, who)()
        self.look()

    @rule()
    def work_all(self) -> None:
        self.flight.kserve.settle()
        self.look()

    @rule(seconds=st.sampled_from([1, 20, 60, 700]))
    def time_passes(self, seconds: int) -> None:
        self.flight.now += timedelta(seconds=seconds)
        if seconds > UNDER_WAY.seconds:
            self.views, self.late = [self.flight.sight()], []  # no view and no write is under way that long

    @precondition(lambda self: self.flight.release.candidate_revision)
    @rule()
    def candidate_crashes(self) -> None:
        self.flight.pods = [crashed(self.flight.release.candidate_revision)]

    @rule()
    def recall(self) -> None:
        self.flight.course = replace(self.flight.course, recall=Recall(TargetReason.SUPERSEDED, "inputs changed"))

    @rule(change=st.sampled_from([{"percent": 70}, {"uri": C}, {"annotations": {"a": "b"}}, {"percent": None}]))
    def somebody_interferes(self, change: dict[str, object]) -> None:
        self.foreign = True
        self.flight.kserve.change(**change)
        self.look()

    def look(self) -> None:
        self.views = [*self.views[-4:], self.flight.sight()]

    @invariant()
    def nobody_gets_more_of_the_candidate_than_was_announced(self) -> None:
        release, kserve = self.flight.release, self.flight.kserve
        intent = release.intent
        asked = intent.percent if intent and intent.write in FORWARD else 0
        self.announced = max(self.announced, asked, release.effective_percent or 0)
        if not self.foreign:
            assert kserve.users().get(B, 0) <= self.announced

    @invariant()
    def an_end_is_what_it_says(self) -> None:
        release, kserve = self.flight.release, self.flight.kserve
        if self.foreign:
            return
        if release.outcome is ReleaseOutcome.PROMOTED:
            assert (kserve.uri, kserve.percent) == (B, None)
        if release.outcome is ReleaseOutcome.ROLLED_BACK:
            assert (kserve.uri, kserve.percent) == (A, None)

    def teardown(self) -> None:
        """Once the faults stop, the release ends."""
        self.flight.kserve.settle()
        release = self.flight.fly()
        assert release.outcome is not None
        self.flight.kserve.settle()
        if self.foreign or release.outcome is ReleaseOutcome.HELD:
            return
        served = {ReleaseOutcome.PROMOTED: B, ReleaseOutcome.ROLLED_BACK: A}[release.outcome]
        assert self.flight.kserve.users() == {served: 100}


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_the_way_is_the_same_wherever_the_operator_is_killed() -> None:
    """Before each move the operator dies and its last write arrives or not: the end is the same."""
    whole = Flight(settled(before=C))
    whole.fly()
    for lost in range(60):
        flight = Flight(settled(before=C))
        for step in range(400):
            if flight.release.outcome is not None:
                break
            if step == lost:
                move = advance(flight.release, flight.course, flight.sight())
                if isinstance(move, Write):
                    flight.kserve.patch(move.patch, move.resource_version)
                    flight.kserve.settle()
                    flight.note()
                continue  # killed: nothing was recorded, nothing is remembered
            flight.move()
            flight.kserve.settle()
            flight.note()
        assert flight.release.outcome is whole.release.outcome
        assert flight.seen == whole.seen
        assert read_target(flight.kserve.manifest()).asked == (B, None)

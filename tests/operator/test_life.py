"""The life of a validation as the whole operator lives it on a real API server; only the containers are scripted."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from paritygate.cluster import JOB, POD, VALIDATION
from paritygate.cluster.events import CONTROLLER
from paritygate.cluster.kinds import EVENT, POLICY, REPORT

from tests.operator import scripted
from tests.operator.world import World, digest, furniture, until

pytestmark = pytest.mark.api

Story = Callable[..., None]


def test_an_equal_candidate_passes_with_few_writes_and_then_none(story: Story) -> None:
    async def test(world: World) -> None:
        async with world.operator(), world.evaluators():
            await world.validate()
            found = await world.until_decided()
            assert found["status"]["verdict"]["outcome"] == "Passed"
            assert len(await world.all(REPORT)) == 1
            await asyncio.sleep(0.5)  # what is still to come, comes
            spent = Counter(seen.rule for seen in world.proxy.writes)
            assert spent.total() <= 8, spent
            with world.proxy.recording() as writes:
                await asyncio.sleep(1)
            assert writes == []

    story(test)


def test_a_worse_candidate_fails_and_is_not_evaluated_again(story: Story) -> None:
    async def test(world: World) -> None:
        async with world.operator(), world.evaluators(scripted.fails):
            await world.validate()
            found = await world.until_decided()
            assert found["status"]["verdict"]["outcome"] == "Failed"
            stalled = await world.condition("Stalled")
            assert (stalled["status"], stalled["reason"]) == ("True", "HarmProved")
            await asyncio.sleep(0.5)
            assert len(await world.all(JOB)) == 1

    story(test)


def test_nothing_of_kopf_and_nothing_uncalled_for_is_left_on_objects(story: Story) -> None:
    async def test(world: World) -> None:
        async with world.operator(), world.evaluators():
            await world.validate()
            found = await world.until_decided()
        for kind in (VALIDATION, JOB, REPORT):
            for item in await world.all(kind):
                assert not item["metadata"].get("annotations"), item["metadata"]
                assert not item["metadata"].get("finalizers"), item["metadata"]
        assert found["spec"]["candidate"]["digest"] == digest("b")

    story(test)


def test_events_tell_people_and_name_the_object(story: Story) -> None:
    async def test(world: World) -> None:
        async with world.operator(), world.evaluators():
            found = await world.validate()
            await world.until_decided()

            async def ours() -> list[scripted.Object]:
                return [event for event in await world.all(EVENT) if event["reportingController"] == CONTROLLER]

            events = await until(ours, "an event")
        assert {event["regarding"]["uid"] for event in events} == {found["metadata"]["uid"]}
        assert all(event["reason"] and event["note"] for event in events)

    story(test)


def test_an_evaluator_lost_to_the_infrastructure_is_tried_again_under_a_name_of_its_own(story: Story) -> None:
    def script(job: scripted.Object) -> scripted.Ending:
        return scripted.evicted(job) if scripted.attempt_of(job) == 1 else scripted.passes(job)

    async def test(world: World) -> None:
        async with world.operator(), world.evaluators(script) as evaluators:
            await world.validate()
            found = await world.until_decided()
            assert found["status"]["verdict"]["outcome"] == "Passed"
            assert [a["outcome"] for a in found["status"]["attempts"]] == ["Failed", "Succeeded"]
            assert sorted(evaluators.pods.values()) == [1, 1]

    story(test)


def test_a_forged_result_promotes_nothing(story: Story) -> None:
    def script(job: scripted.Object) -> scripted.Ending:
        honest = scripted.passes(job)
        return scripted.Ending(honest.log.replace(b'"n10": 0', b'"n10": 1'), honest.message)

    async def test(world: World) -> None:
        async with world.operator(), world.evaluators(script):
            await world.validate()
            verdict = (await world.until_decided())["status"]["verdict"]
            assert (verdict["outcome"], verdict["reason"]) == ("Error", "ResultRefused")

    story(test)


def test_a_missing_policy_is_named_and_its_coming_is_enough(story: Story) -> None:
    async def test(world: World) -> None:
        late = f"late-{world.name}"
        async with world.operator(), world.evaluators():
            await world.validate(policy=late)

            async def named() -> bool:
                return (await world.condition("Ready")).get("reason") == "PolicyNotFound"

            await until(named, "the missing policy is named")
            body = dict(furniture(world.name))[POLICY]
            await world.make(POLICY, late, body)
            assert (await world.until_decided())["status"]["verdict"]["outcome"] == "Passed"

    story(test)


def test_an_edited_spec_ends_the_job_and_starts_afresh(story: Story) -> None:
    async def test(world: World) -> None:
        async with world.operator():
            await world.validate()
            (old,) = await until(lambda: world.all(JOB), "the first Job")
            other = {"uri": "s3://models/c", "digest": digest("c"), "technique": "Int8Static"}
            await world.client.patch(VALIDATION, world.name, "fraud", {"spec": {"candidate": other}})

            async def replaced() -> bool:
                names = [job["metadata"]["uid"] for job in await world.all(JOB) if not _going(job)]
                return len(names) == 1 and names != [old["metadata"]["uid"]]

            await until(replaced, "the old Job is gone and another one is there")
            async with world.evaluators():
                status = (await world.until_decided())["status"]
            assert status["subject"]["candidate"]["digest"] == digest("c")
            assert status["verdict"]["outcome"] == "Passed"

    story(test)


def test_a_deleted_validation_is_forgotten(story: Story) -> None:
    async def test(world: World) -> None:
        async with world.operator():
            made = await world.validate()
            await until(lambda: world.all(JOB), "a Job")
            await world.client.delete(VALIDATION, world.name, "fraud", made["metadata"]["uid"])

            async def gone() -> bool:
                return not await world.all(VALIDATION)

            await until(gone, "the validation is gone: no finalizer holds it")

    story(test)


def test_a_strangers_job_of_our_name_is_never_touched(story: Story) -> None:
    async def test(world: World) -> None:
        async with world.operator():
            first = await world.validate()
            (job,) = await until(lambda: world.all(JOB), "a Job")
        # The same name, another owner: as if somebody had made it by hand.
        await world.client.delete(JOB, world.name, job["metadata"]["name"], job["metadata"]["uid"])
        await until(_none(world), "the Job is gone")
        metadata = {"name": job["metadata"]["name"], "namespace": world.name}
        template = {"metadata": {}, "spec": job["spec"]["template"]["spec"]}
        stranger = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template}}
        await world.client.create(JOB, stranger)
        status = {"metadata": {"resourceVersion": (await world.get())["metadata"]["resourceVersion"]}, "status": None}
        await world.client.patch_status(VALIDATION, world.name, "fraud", status)
        async with world.operator():

            async def told() -> bool:
                return (await world.condition("Stalled")).get("reason") == "NameCollision"

            await until(told, "the collision is told")
        left = await world.client.get(JOB, world.name, job["metadata"]["name"])
        assert "ownerReferences" not in left["metadata"], first["metadata"]["uid"]

    story(test)


def test_many_validations_each_get_one_job(story: Story) -> None:
    async def test(world: World) -> None:
        names = [f"v{number}" for number in range(20)]
        for name in names:
            await world.validate(name)
        async with world.operator(), world.evaluators() as evaluators:
            for name in names:
                assert (await world.until_decided(name))["status"]["verdict"]["outcome"] == "Passed"
            assert set(evaluators.pods.values()) == {1}
            assert len(evaluators.pods) == len(names)

    story(test)


def test_an_operator_that_hears_nothing_is_healed_by_the_relist(story: Story) -> None:
    async def test(world: World) -> None:
        world.proxy.deaf = True
        async with world.operator(resync=timedelta(milliseconds=500)), world.evaluators():
            await world.validate()
            assert (await world.until_decided())["status"]["verdict"]["outcome"] == "Passed"

    story(test)


def _going(item: scripted.Object) -> bool:
    return "deletionTimestamp" in item["metadata"]


def _none(world: World) -> Callable[[], object]:
    async def none() -> bool:
        return not [job for job in await world.all(JOB) if not _going(job)] and not await world.all(POD)

    return none

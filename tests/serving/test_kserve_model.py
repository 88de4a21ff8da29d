"""The model does what the real controllers were seen to do; the driver is tested against it."""

from .kserve_model import A, B, C, settled


def test_percent_alone_after_a_promote_sends_users_to_the_model_before() -> None:
    kserve = settled(before=C)
    kserve.change(percent=10)
    kserve.settle()
    assert kserve.users() == {A: 10, C: 90}


def test_removing_the_percent_after_zero_sends_everybody_to_the_rejected_model() -> None:
    kserve = settled()
    kserve.change(uri=B, percent=0)
    kserve.settle()
    assert kserve.users() == {A: 100}
    kserve.change(percent=None)
    kserve.settle()
    assert kserve.users() == {B: 100}


def test_restoring_and_settling_in_one_patch_gives_the_rejected_model_everything_for_a_while() -> None:
    kserve = settled()
    kserve.change(uri=B, percent=0)
    kserve.settle()
    kserve.change(uri=A, percent=None)
    kserve.kserve_spec()
    kserve.knative_configuration()
    kserve.knative_route()
    assert kserve.users() == {B: 100}


def test_an_annotation_makes_a_revision_that_inherits_the_share() -> None:
    kserve = settled()
    kserve.change(uri=B, percent=10)
    kserve.settle()
    before = kserve.created
    kserve.change(annotations={"team": "risk"})
    kserve.settle()
    assert kserve.created != before
    assert kserve.users() == {A: 90, B: 10}


def test_a_candidate_that_does_not_load_gets_nothing() -> None:
    kserve = settled(failing={B})
    kserve.change(uri=B, percent=10)
    kserve.settle()
    assert kserve.users() == {A: 100}


def test_zero_after_a_promotion_goes_back_to_the_model_before() -> None:
    kserve = settled()
    kserve.change(uri=B, percent=10)
    kserve.settle()
    kserve.change(percent=None)
    kserve.settle()
    kserve.change(percent=0)
    kserve.settle()
    assert kserve.users() == {A: 100}


def test_the_status_is_the_old_one_until_kserve_reports() -> None:
    kserve = settled()
    kserve.change(uri=B, percent=0)
    assert kserve.manifest()["status"]["conditions"][0]["status"] == "True"
    assert len(kserve.manifest()["status"]["components"]["predictor"]["traffic"]) == 1

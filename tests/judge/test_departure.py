"""Where a failed candidate departs: the layer that is named, and a sentence that no name can break out of."""

import numpy as np
import pytest
from paritygate.api import LayerRecord, Outcome, Reason
from paritygate.judge import MOST_LAYERS, NOT_FINITE, Verdict, departure, explained, first_broken

HERE = LayerRecord(name="relu1", difference=0.4, saturated=0.12)
SAID = "The referee says: first departs at tensor 'relu1', relative difference 0.40, 12% of it cut off"


@pytest.mark.parametrize(
    ("errors", "where"),
    [
        ([0.01, 0.02, 0.3, 0.95], 2),
        ([0.01, 0.02, 0.15, 0.16], 2),
        ([0.1, 0.1, 0.1], 0),
        ([0.0, np.inf, 0.1], 1),
        ([0.0, 0.0], None),
        ([], None),
    ],
    ids=["past the limit", "the largest step", "at once", "not finite", "equal", "nothing in common"],
)
def test_it_first_broke_at(errors: list[float], where: int | None) -> None:
    assert first_broken(errors) == where


def test_the_first_of_a_record_that_begins_in_the_middle_is_no_step() -> None:
    layers = [LayerRecord(name=str(k), difference=0.1 if k < 32 else 0.15) for k in range(MOST_LAYERS)]
    assert "tensor '32'" in departure(layers)
    assert "tensor '1'" in departure(layers[1:])


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ([LayerRecord(name="conv0", difference=0.01), HERE, LayerRecord(name="relu2", difference=0.9)], SAID),
        ([LayerRecord(name="y", difference=NOT_FINITE)], "tensor 'y', relative difference not finite"),
        ([LayerRecord(name="y", difference=0)], ""),
        ([], ""),
    ],
    ids=["named", "not-finite", "equal", "none"],
)
def test_it_is_told_in_one_sentence(layers: list[LayerRecord], said: str) -> None:
    assert departure(layers).endswith(said)


@pytest.mark.parametrize("name", ["a\n\x1b[2JPassed", "\u202etuo\u2028", "it's fine. PASSED", "x" * 256, "\0"])
def test_whatever_a_tensor_is_called(name: str) -> None:
    said = departure([LayerRecord(name=name, difference=0.5, saturated=0.999)])
    assert said.isprintable()
    assert len(said) <= 200
    assert said.count("'") == 2


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.PASSED, Outcome.INCONCLUSIVE])
def test_only_a_failed_candidate_departs(outcome: Outcome) -> None:
    verdict = Verdict(outcome, Reason.HARM_PROVED, "worse")
    wanted = f"worse. {SAID}" if outcome is Outcome.FAILED else "worse"
    assert explained(verdict, [HERE]) == Verdict(outcome, Reason.HARM_PROVED, wanted)

"""A record of another version: it is said which, and neither believed nor called forged."""

import json
from pathlib import Path

import numpy as np
import pytest
from paritygate.cli.command import main
from paritygate.cli.evidence import Evidence
from paritygate.evidence import digest_of
from paritygate.judge import recompute

from .case import World, a_plan


def written(folder: Path, lacking: tuple[str, ...], **update: object) -> str:
    """A file whose plan doesn't tell some of what plans tell today, with digests of such a plan."""
    plan = a_plan()
    result = World(np.zeros(3000, np.int64)).judged(plan)
    document = json.loads(json.dumps(Evidence.of(plan, result, recompute(plan, result)).document)) | update
    for part in (document["plan"], *document["plan"]["packs"]):
        for name in lacking:
            part.pop(name, None)
    document["digests"]["plan"] = document["result"]["inputDigest"] = digest_of(document["plan"])
    (folder / "e.json").write_text(json.dumps(document))
    return str(folder / "e.json")


def test_a_record_of_an_older_version_is_said_to_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, ("latencyBlocks", "mustPass"), tool="paritygate 0.0.9")
    assert main(["verify", file]) == 4
    said = capsys.readouterr().out
    assert "made by paritygate 0.0.9 before plans told latencyBlocks, packs.mustPass" in said
    assert "does not hold" not in said


def test_a_tool_that_is_no_name_is_not_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", written(tmp_path, ("latencyBlocks",), tool="paritygate 1\x1b[2J")]) == 4
    assert "an unknown tool" in capsys.readouterr().out


def test_one_of_this_version_is_rechecked(tmp_path: Path) -> None:
    assert main(["verify", written(tmp_path, ())]) == 0


@pytest.mark.parametrize("tool", ["paritygate 0.0.9", 7])
def test_what_does_not_hold_tells_another_tool_that_made_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tool: object
) -> None:
    file = Path(written(tmp_path, (), tool=tool))
    file.write_text(file.read_text().replace("flip/1 ", "flip/0 "))
    assert main(["verify", str(file)]) == 4
    said = capsys.readouterr().out
    assert "the record says 'flip/0" in said
    assert f"It was made by {tool if isinstance(tool, str) else 'an unknown tool'}, this is paritygate" in said


PLAN = "alpha alphaBudget alphaFail baseline candidate candidateNumber claims environment executionProviders"
PLAN += " flipRate formats inference latencyBlocks packs planSchema purpose runtime technique"
PACK = "criticalClasses declared derived groups inputs labels mustPass name perturbations slices task version"


def test_a_plan_that_uses_nothing_new_has_the_digest_it_had() -> None:
    """What a plan gains later is `None` or `_unsaid` by default: else an upgrade evaluates everything again."""
    plan = a_plan().dump()
    assert set(plan) == set(PLAN.split())
    assert all(set(pack) == set(PACK.split()) for pack in plan["packs"])  # type: ignore[attr-defined]


def test_what_a_result_gains_later_leaves_older_records_whole(tmp_path: Path) -> None:
    file = Path(written(tmp_path, ()))
    document = json.loads(file.read_text())
    for name in ("repeatedItems", "exploratory"):
        del document["result"][name]
    document["digests"]["result"] = digest_of(document["result"])
    file.write_text(json.dumps(document))
    assert main(["verify", str(file)]) == 0

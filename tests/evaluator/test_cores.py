"""Threads come from the quota, not from the host."""

import os
from pathlib import Path

import pytest
from paritygate_evaluator.runner.cores import usable_cores

V1 = "cpu,cpuacct"


def quota(folder: str, micros: int) -> dict[str, str]:
    return {f"{folder}/cpu.cfs_quota_us": str(micros), f"{folder}/cpu.cfs_period_us": "100000"}


CASES: list[tuple[str, str, dict[str, str], int]] = [
    ("v2, two cores", "0::/\n", {"cpu.max": "200000 100000\n"}, 2),
    ("v2, no limit", "0::/\n", {"cpu.max": "max 100000\n"}, 99),
    ("v2, less than one core", "0::/\n", {"cpu.max": "50000 100000\n"}, 1),
    ("v2, two and a half", "0::/\n", {"cpu.max": "250000 100000\n"}, 2),
    ("v2, parent tighter", "0::/pod/box\n", {"pod/cpu.max": "100000 100000", "pod/box/cpu.max": "max 100000"}, 1),
    ("v2, path of the host", "0::/../../kubepods/x\n", {"cpu.max": "300000 100000"}, 3),
    ("v1", f"4:{V1}:/\n", quota(V1, 300000), 3),
    ("v1, no limit", "4:cpu:/\n", quota("cpu", -1), 99),
    ("v1, own group not mounted", "4:cpu:/a/b\n", quota("cpu", 200000), 2),
    ("nonsense", "0::/\n", {"cpu.max": "a lot"}, 99),
    ("nothing", "", {}, 99),
]


@pytest.mark.parametrize(("what", "groups", "files", "cores"), CASES, ids=[c[0] for c in CASES])
def test_cores(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    groups: str,
    files: dict[str, str],
    cores: int,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(99)))
    (tmp_path / "cgroup").write_text(groups)
    for name, content in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(content)
    assert usable_cores(tmp_path / "cgroup", tmp_path / "fs") == cores


def test_affinity_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    assert usable_cores(tmp_path / "absent", tmp_path) == 2

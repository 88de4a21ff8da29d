"""Keys of the cache and names of clusters."""

import os
from pathlib import Path

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.places import Profile, cache_root, cluster_name, digest, models_dir, prune, used


def test_cache_lies_where_it_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PARITYGATE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_root() == tmp_path / "xdg" / "paritygate"
    monkeypatch.setenv("PARITYGATE_CACHE", str(tmp_path / "own"))
    assert cache_root() == tmp_path / "own"


def test_models_go_with_the_cluster_unless_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PARITYGATE_MODELS", raising=False)
    assert models_dir(tmp_path / "state") == tmp_path / "state" / "models"
    monkeypatch.setenv("PARITYGATE_MODELS", str(tmp_path / "given"))
    assert models_dir(tmp_path / "state") == tmp_path / "given"


@pytest.mark.parametrize(
    ("profile", "asked", "variable", "name"),
    [
        (Profile.FULL, None, None, "paritygate"),
        (Profile.API, None, None, "paritygate-api"),
        (Profile.FULL, None, "mine", "mine"),
        (Profile.API, "theirs", "mine", "theirs-api"),
    ],
)
def test_cluster_names(
    monkeypatch: pytest.MonkeyPatch, profile: Profile, asked: str | None, variable: str | None, name: str
) -> None:
    monkeypatch.delenv("PARITYGATE_CLUSTER", raising=False)
    if variable:
        monkeypatch.setenv("PARITYGATE_CLUSTER", variable)
    assert cluster_name(profile, asked) == name


@pytest.mark.parametrize("wrong", ["Upper", "a/b", "../x", "-a", "a-", "a" * 33, "a b"])
def test_names_that_are_no_labels_are_refused(wrong: str) -> None:
    with pytest.raises(ClusterError, match="DNS label"):
        cluster_name(Profile.FULL, wrong)


def test_keys_follow_content_and_names(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "go.sum").write_text("a")
    first = digest(["flags", tmp_path / "m"])
    assert digest(["flags", tmp_path / "m"]) == first
    assert digest(["other", tmp_path / "m"]) != first
    (tmp_path / "m" / "go.sum").write_text("b")
    second = digest(["flags", tmp_path / "m"])
    (tmp_path / "m" / "go.sum").rename(tmp_path / "m" / "go.mod")
    assert len({first, second, digest(["flags", tmp_path / "m"])}) == 3


def test_keys_do_not_run_parts_together() -> None:
    assert digest(["ab", "c"]) != digest(["a", "bc"])


def test_keys_leave_compiled_python_out(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("x = 1")
    before = digest([tmp_path])
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "code.pyc").write_bytes(b"compiled")
    assert digest([tmp_path]) == before


def test_what_nobody_asks_for_any_more_is_removed_but_the_newest(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}" / "image.tar" for number in range(5)]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        path.write_bytes(b"")
        os.utime(path, (number, number))
    used(paths[0])
    assert prune(paths, keep=2) == [paths[3], paths[2], paths[1]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "4"]


def test_what_was_used_within_the_hour_is_never_removed(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.tar" for number in range(5)]
    for path in paths:
        path.write_bytes(b"")
    assert prune(paths, keep=1) == []

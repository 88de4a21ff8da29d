"""Image archives: the same content gives the same bytes, whoever makes them, wherever and whenever."""

import json
import os
import tarfile
from pathlib import Path

import pytest

from tests.cluster.archive import Entry, Runs, described_name, tree, write_image, write_layer


def _folder(root: Path, *, mtime: int, mask: int) -> Path:
    (root / "lib" / "deep").mkdir(parents=True)
    (root / "lib" / "deep" / "model.py").write_text("x = 1\n")
    (root / "run").write_text("#!/bin/sh\n")
    (root / "run").chmod(0o755 & ~mask)
    (root / "link").symlink_to("lib/deep")
    for path in root.rglob("*"):
        os.utime(path, (mtime, mtime), follow_symlinks=False)
    return root


def _image(at: Path, source: Path, runs: Runs) -> Path:
    at.mkdir()
    write_layer(tree(source, "opt/app"), at / "layer.tar")
    write_image(at / "image.tar", "dev.local/app:1", [at / "layer.tar"], runs)
    return at / "image.tar"


def test_bytes_depend_on_content_alone(tmp_path: Path) -> None:
    runs = Runs(["/opt/app/run"], env={"A": "1"})
    one = _image(tmp_path / "1", _folder(tmp_path / "x", mtime=1, mask=0o000), runs)
    two = _image(tmp_path / "2", _folder(tmp_path / "y", mtime=9_999_999, mask=0o022), runs)
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    "other",
    [
        Runs(["/opt/app/run"], user=1000),
        Runs(["/opt/app/other"]),
        Runs(["/opt/app/run"], env={"A": "2"}),
        Runs(["/opt/app/run"], workdir="/tmp"),
    ],
)
def test_what_a_container_would_notice_changes_the_digest(tmp_path: Path, other: Runs) -> None:
    source = _folder(tmp_path / "x", mtime=1, mask=0)
    one = _image(tmp_path / "1", source, Runs(["/opt/app/run"]))
    two = _image(tmp_path / "2", source, other)
    assert described_name(one)[1] != described_name(two)[1]


def test_docker_and_containerd_read_the_same_image(tmp_path: Path) -> None:
    archive = _image(tmp_path / "1", _folder(tmp_path / "x", mtime=1, mask=0), Runs(["/opt/app/run"]))
    with tarfile.open(archive) as tar:

        def read(name: str) -> bytes:
            member = tar.extractfile(name)
            assert member is not None
            return member.read()

        docker = json.loads(read("manifest.json"))[0]
        oci = json.loads(read("index.json"))["manifests"][0]
        manifest = json.loads(read("blobs/" + oci["digest"].replace(":", "/")))
        config = json.loads(read(docker["Config"]))
    assert docker["RepoTags"] == ["dev.local/app:1"]
    assert docker["Config"] == "blobs/" + manifest["config"]["digest"].replace(":", "/")
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]
    assert config["config"]["User"] == "65532"


def test_root_leaves_the_user_unset(tmp_path: Path) -> None:
    archive = _image(tmp_path / "1", _folder(tmp_path / "x", mtime=1, mask=0), Runs(["/run"], user=0))
    with tarfile.open(archive) as tar:
        configs = [json.load(tar.extractfile(m)) for m in tar if m.name.startswith("blobs/") and m.size < 2000]  # type: ignore[arg-type]
    assert not any("User" in c.get("config", {}) for c in configs if "rootfs" in c)


def test_layers_hold_parents_plain_owners_and_two_kinds_of_permission(tmp_path: Path) -> None:
    entries = [
        Entry("/usr/bin/tool", content=b"x", executable=True),
        Entry("etc/passwd", content=b"root"),
        Entry("tmp", sticky=True),
    ]
    write_layer(entries, tmp_path / "layer.tar")
    with tarfile.open(tmp_path / "layer.tar") as tar:
        members = {m.name: m for m in tar}
    assert list(members) == sorted(members)
    assert {name: oct(m.mode) for name, m in members.items()} == {
        "etc": "0o755",
        "etc/passwd": "0o644",
        "tmp": "0o1777",
        "usr": "0o755",
        "usr/bin": "0o755",
        "usr/bin/tool": "0o755",
    }
    assert {(m.uid, m.gid, m.mtime) for m in members.values()} == {(0, 0, 0)}

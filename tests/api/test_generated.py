"""What is generated is what the models say, and the ground that Python's own modules stand on."""

from pathlib import Path

import pytest
import yaml
from paritygate.api import crd


def test_the_committed_crds_are_what_the_models_say():
    assert crd.main(["--check"]) == 0, "run python -m paritygate.api.crd and commit what it writes"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(crd, "ROOT", tmp_path)
    assert crd.main([]) == 0
    return tmp_path


def test_a_first_run_writes_a_file_a_kind_and_the_charts_copy(checkout: Path):
    names = [f"paritygate.io_{kind.plural}.yaml" for kind in crd.KINDS]
    assert sorted(path.name for path in (checkout / "crds").iterdir()) == sorted(names)
    assert sorted(path.name for path in (checkout / crd.CHART).iterdir()) == sorted(names)
    assert crd.main(["--check"]) == 0


def test_a_stale_file_is_named_and_mended(checkout: Path, capsys: pytest.CaptureFixture[str]):
    stale = checkout / "crds" / "paritygate.io_scenariopacks.yaml"
    stale.write_text(stale.read_text().replace("locked", "open"))
    assert crd.main(["--check"]) == 1
    assert "crds/paritygate.io_scenariopacks.yaml is not what the models say" in capsys.readouterr().err
    assert "open, versioned" in stale.read_text()
    assert crd.main([]) == 0
    assert crd.main(["--check"]) == 0


def test_a_file_of_a_kind_that_is_gone_is_named_and_removed(checkout: Path, capsys: pytest.CaptureFixture[str]):
    orphan = checkout / crd.CHART / "paritygate.io_old.yaml"
    orphan.write_text("old")
    assert crd.main(["--check"]) == 1
    assert "paritygate.io_old.yaml" in capsys.readouterr().err
    assert crd.main([]) == 0
    assert not orphan.exists()


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)
def test_the_chart_installs_the_same_crd_and_keeps_it(kind: crd.Kind):
    name = f"paritygate.io_{kind.plural}.yaml"
    first, *inside, last = (crd.ROOT / crd.CHART / name).read_text().splitlines()
    assert (first, last) == ("{{- if .Values.crds.install }}", "{{- end }}")
    copy = yaml.safe_load("\n".join(inside).replace('{{ "{{" }}', "{{"))
    assert copy["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert copy == yaml.safe_load((crd.ROOT / crd.CRDS / name).read_text())


@pytest.mark.parametrize("folder", ["operator", "evaluator-image"])
def test_a_source_folder_is_no_package(folder: str):
    # An operator/__init__.py would shadow the standard library's `operator`.
    assert (crd.ROOT / folder).is_dir()
    assert not (crd.ROOT / folder / "__init__.py").exists()

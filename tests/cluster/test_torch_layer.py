"""A hollow library is found by the loader in place of the real one, under its name and its versions."""

import ctypes
import subprocess
from pathlib import Path

import pytest

from tests.cluster.torch_layer import hollow, needed_by

pytestmark = pytest.mark.cluster


def _built(target: Path, source: str, *words: str | Path) -> Path:
    code = target.with_suffix(".c")
    code.write_text(source)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", target, code, *words], check=True)
    return target


@pytest.mark.parametrize("versioned", [True, False])
def test_a_caller_loads_with_the_hollow_library_and_aborts_only_if_it_calls_it(versioned: bool, tmp_path: Path) -> None:
    name = "libreal.so.1"
    versions = tmp_path / "versions"
    versions.write_text(f"{name} {{ *; }};")
    version = [f"-Wl,--version-script={versions}"] if versioned else []
    real = _built(
        tmp_path / name, "int far(void) { return 1; } int unused(void) { return 2; }", f"-Wl,-soname,{name}", *version
    )
    # By its address, too: the loader must find that at once, and not only when it is called.
    source = "int far(void); int (*taken)(void) = far; int near(void) { return 3; } int calls(void) { return far(); }"
    caller = _built(tmp_path / "libcaller.so", source, real, f"-Wl,-rpath,{tmp_path}")
    assert name in needed_by(caller)
    size = real.stat().st_size
    hollow(real, [caller], tmp_path / "hollow")
    (tmp_path / "hollow").rename(real)
    assert real.stat().st_size < size
    assert ctypes.CDLL(str(caller)).near() == 3
    script = f"import ctypes; ctypes.CDLL({str(caller)!r}).calls()"
    assert subprocess.run(["python3", "-c", script], capture_output=True, check=False).returncode == -6

"""The folder `operator` lies in the checkout's root, where Python looks first."""

from tests.operator.conftest import CHECKOUT


def test_the_folder_never_shadows_the_standard_librarys_operator() -> None:
    assert not (CHECKOUT / "operator" / "__init__.py").exists()

"""What the documents name exists: files, targets of make, commands and their options, the modules of the judge."""

import contextlib
import io
import re
from pathlib import Path

import pytest
from paritygate.cli import main

ROOT = Path(__file__).parents[2]
NAMED = ("README.md", "CONTRIBUTING.md", "operator/ARCHITECTURE.md", "examples/families/README.md")
DOCS = [*(ROOT / name for name in NAMED), *sorted((ROOT / "docs").glob("*.md"))]
HOMES = ("", "operator/paritygate", "evaluator-image/paritygate_evaluator", "evaluator-image")
"""Where a path in a document may begin: the map names modules within the packages."""
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
CODE = re.compile(r"```\w*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
FILE = re.compile(r"(?:[\w.-]+/)+[\w-]+\.(?:py|md|yaml|toml)|(?:[\w.-]+/){2,}")
TOP = tuple(f"{folder.name}/" for folder in ROOT.iterdir() if folder.is_dir() and folder.name != "build")
COMMANDS = ("check", "plan", "simulate", "verify", "digest")


def code_of(doc: Path) -> list[str]:
    """Code blocks and spans."""
    return [block or span for block, span in CODE.findall(doc.read_text())]


def by_name(doc: Path) -> str:
    return str(doc.relative_to(ROOT))


@pytest.mark.parametrize("doc", DOCS, ids=by_name)
def test_links_lead_to_files(doc: Path) -> None:
    targets = [target for target in LINK.findall(doc.read_text()) if "://" not in target]
    assert [target for target in targets if not (doc.parent / target).exists()] == []


@pytest.mark.parametrize("doc", DOCS, ids=by_name)
def test_named_files_are_there(doc: Path) -> None:
    spans = {span for _, span in CODE.findall(doc.read_text()) if not span.startswith("build/")}
    typed = {word for block, _ in CODE.findall(doc.read_text()) for word in block.split() if word.startswith(TOP)}
    named = {word for word in spans | typed if FILE.fullmatch(word)}
    homes = [doc.parent, *(ROOT / home for home in HOMES)]
    assert [word for word in sorted(named) if not any((home / word).exists() for home in homes)] == []


@pytest.mark.parametrize("doc", DOCS, ids=by_name)
def test_targets_of_make_are_there(doc: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {
        name for code in code_of(doc) for words in re.findall(r"\bmake((?: [a-z-]+)+)", code) for name in words.split()
    }
    assert asked - targets == set()


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """What each command says of itself."""
    found = {}
    for command in COMMANDS:
        with contextlib.redirect_stdout(io.StringIO()) as said, pytest.raises(SystemExit):
            main([command, "--help"])
        found[command] = said.getvalue()
    return found


@pytest.mark.parametrize("doc", DOCS, ids=by_name)
def test_commands_have_the_options_that_are_typed(doc: Path, helps: dict[str, str]) -> None:
    for code in code_of(doc):
        for line in code.replace("\\\n", " ").splitlines():
            for command, rest in re.findall(r"^(?:\$ )?(?:\S*/)?paritygate ([a-z]+)\b([^#]*)", line):
                assert command in COMMANDS, line
                for option in re.findall(r"(?<!\S)--[a-z-]+", rest):
                    assert re.search(rf"{option}\b", helps[command]), line


def test_the_map_of_the_judge_has_each_of_its_modules() -> None:
    text = (ROOT / "operator" / "ARCHITECTURE.md").read_text()
    table = text.split("The modules of `judge`")[1].split("\n\n")[1]
    folder = ROOT / "operator" / "paritygate" / "judge"
    there = {file.stem for file in folder.glob("*.py")} - {"__init__"} | {"processes/", "recheck/"}
    assert set(re.findall(r"`([a-z/]+)`", table)) == there


def test_decisions_are_numbered_and_short() -> None:
    _, *decisions = re.split(r"^## ", (ROOT / "docs" / "decisions.md").read_text(), flags=re.MULTILINE)
    assert [int(text.split(".")[0]) for text in decisions] == list(range(1, 1 + len(decisions)))
    for text in decisions:
        title, *lines = [line for line in text.splitlines() if line]
        assert len(lines) <= 15, title
        assert max(map(len, lines)) <= 130, title

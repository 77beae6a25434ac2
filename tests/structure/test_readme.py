"""The tree in the README and the files on the disk are the same."""

from __future__ import annotations

import re
from pathlib import Path

from tests.structure import source

HEADING = "## The house"


def drawn_paths() -> dict[Path, str]:
    """Path -> purpose, for each line of the tree; indentation says which folder it is in."""
    readme = (source.ROOT / "README.md").read_text(encoding="utf-8")
    block = readme.split(HEADING, 1)[1].split("```")[1]
    folders: list[str] = []
    drawn = {}
    for line in filter(None, block.splitlines()[1:]):
        indent, name, purpose = re.fullmatch(r"((?:  )*)(\S+)\s*(.*)", line).groups()
        folders[len(indent) // 2 :] = [name.rstrip("/")]
        assert Path(*folders) not in drawn, f"{line.strip()} stands there twice"
        drawn[Path(*folders)] = purpose
    return drawn


def test_every_module_is_in_the_tree():
    named = {path for path in source.modules() if path.name != "__init__.py"}
    assert sorted(named - drawn_paths().keys()) == []


def test_everything_in_the_tree_exists():
    assert [path for path in drawn_paths() if not (source.ROOT / path).exists()] == []


def test_everything_in_the_tree_has_a_purpose():
    assert [path for path, purpose in drawn_paths().items() if not purpose] == []


def test_the_files_it_asks_about_exist():
    readme = (source.ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:examples|docs)/[\w.-]+\.\w+", readme))
    assert [path for path in sorted(named) if not (source.ROOT / path).exists()] == []
    assert named, "the README shows no example"


def test_links_lead_somewhere():
    for page in [*source.ROOT.glob("*.md"), *source.ROOT.glob("*/*.md")]:
        links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
        assert [link for link in links if not (page.parent / link).exists()] == [], page


def test_every_folder_of_tests_is_told_of():
    told = (source.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    folders = {path.parent.name for path in (source.ROOT / "tests").glob("*/*.*")}
    assert [one for one in folders - {"__pycache__"} if f"| `tests/{one}` |" not in told] == []

"""The house rules that a machine can check."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "src").rglob("*.py"))
FORBIDDEN_NAMES = {"utils", "util", "helpers", "common", "misc", "core"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT / "src")))
def test_module_keeps_the_house_rules(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 600, "split it by a noun"
    assert path.stem not in FORBIDDEN_NAMES
    tree = ast.parse(text)
    if path.stem == "__init__" and path.parent.name not in ("qsmkit", "recon"):
        assert not text.strip(), "stage __init__ files are empty"
    elif path.stem != "__init__":
        assert ast.get_docstring(tree), "a module says what it is for"
    if "app" not in path.parts:
        calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
        assert "print" not in {c.func.id for c in calls}, "only app prints"


def test_every_top_level_module_has_its_storey():
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    placed = {name.strip() for layer in contract["layers"] for name in layer.split("|")}
    there = {p.stem for p in (ROOT / "src/qsmkit").iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert there - {"__init__"} <= placed
    assert contract["exhaustive"]

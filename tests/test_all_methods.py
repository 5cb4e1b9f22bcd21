"""What every method must do, whoever wrote it: adding a method adds its tests."""

import inspect
import re
import typing
from pathlib import Path

import pytest

import qsmkit.recon
from qsmkit.artifacts import ARTIFACTS
from qsmkit.method import METHODS, STAGES

BIBLIOGRAPHY = Path(qsmkit.recon.__file__).parents[1] / "reports" / "references.bib"
EVERY = pytest.mark.parametrize("entry", METHODS.values(), ids=lambda m: m.name)


@EVERY
def test_it_is_exported_under_its_name(entry):
    assert getattr(qsmkit.recon, entry.name) is entry.function
    assert entry.stage in STAGES


@EVERY
def test_its_literature_is_in_the_bibliography(entry):
    keys = set(re.findall(r"^@\w+\{(\w+),", BIBLIOGRAPHY.read_text(encoding="utf-8"), re.M))
    assert entry.cite
    assert set(entry.cite) <= keys


@EVERY
def test_its_docstring_gives_units_and_describes_every_setting(entry):
    doc = inspect.getdoc(entry.function)
    assert entry.summary
    assert len(entry.summary) < 100
    for section in ("Parameters\n---", "Returns\n---"):
        assert section in doc
    for name, setting in entry.parameters.items():
        assert setting.help, f"{name} is not described"
    for name in (*entry.needs, *entry.uses):
        assert re.search(rf"^(\w+, )*{name}(, \w+)* : ", doc, re.M), f"{name} is not described"
        unit = ARTIFACTS[name].unit
        if unit in ("ppm", "rad", "s", "T"):
            line = re.search(rf"^(\w+, )*{name}(, \w+)* : .*\n((?: {{4}}.*\n?)+)", doc, re.M)[0]
            assert re.search(rf"\b{unit}\b", line), f"{name} does not say its unit, {unit}"


@EVERY
def test_its_settings_are_typed_and_its_defaults_fit(entry):
    for name, setting in entry.parameters.items():
        assert setting.annotation is not inspect.Parameter.empty, name
        assert setting.default is not inspect.Parameter.empty, name
        assert typing.get_origin(setting.type) is not typing.Annotated
    assert entry.check({n: p.default for n, p in entry.parameters.items()}) == entry.check({})


def test_every_row_of_the_bibliography_is_whole():
    for row in re.split(r"^(?=@)", BIBLIOGRAPHY.read_text(encoding="utf-8"), flags=re.M):
        assert row.count("{") == row.count("}"), row


def test_no_row_of_the_bibliography_stands_twice():
    keys = re.findall(r"^@\w+\{(\w+),", BIBLIOGRAPHY.read_text(encoding="utf-8"), re.M)
    assert len(keys) == len(set(keys))

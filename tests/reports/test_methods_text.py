"""The methods paragraph says everything that was done, and cites it."""

import dataclasses
import re

import numpy as np
import pytest

from qsmkit.grid import Grid
from qsmkit.method import METHODS
from qsmkit.reports.bibliography import bibliography, parse
from qsmkit.reports.methods_text import methods_text, referencing, setting_text, signed


def test_every_step_and_every_setting_is_named(result):
    text = methods_text(result).paragraph
    for step in result.steps:
        assert f"{step.method} [" in text
        for name, value in step.settings.items():
            assert f"{name} = {setting_text(value)}" in text


def test_scan_reference_and_version_are_named(result):
    text = methods_text(result).paragraph
    for words in ("qsmkit 0.", "2-echo", "3 T", "4 and 12 ms", "1.5 × 1.5 × 1.5 mm", "angle 15°", " ppm "):
        assert words in text
    assert "whole reconstructed brain" in text


def test_references_are_numbered_as_they_are_cited(result):
    made = methods_text(result)
    cited = [int(n) for group in re.findall(r"\[([\d, ]+)\]", made.paragraph) for n in group.split(", ")]
    assert list(dict.fromkeys(cited)) == list(range(1, len(made.references) + 1))
    keys = [r.key for r in made.references]
    assert keys[0] == "Bilgic2024"
    assert keys.count("Bilgic2024") == 1  # by the recipe and by the reference step, yet listed once
    assert "[2] Shmueli K, de Zwart JA" in str(made)


def test_an_unknown_citation_is_listed_by_its_key(result):
    recipe = result.plan.recipe.model_copy(update={"cite": ["Nobody2030"]})
    other = dataclasses.replace(result, plan=dataclasses.replace(result.plan, recipe=recipe))
    assert "[1] Nobody2030\n" in str(methods_text(other))


def test_a_tilted_single_echo_scan_is_called_so(reconstructed):
    grid = Grid.tilted((32, 34, 20), (1.8, 1.8, 3.0), tilt=20)
    text = methods_text(reconstructed(grid, echo_times=(0.02,))).paragraph
    assert "single-echo" in text
    assert "echo time 20 ms" in text
    assert "turned by 20.0°" in text
    assert "readout" not in text


def test_a_region_as_reference_comes_with_what_it_takes_to_refer_to_the_brain(result):
    region = np.zeros_like(result.artifacts["mask"])
    region[18:22, 18:22, 18:22] = True
    before = result.artifacts["chi"]
    chi = np.where(result.artifacts["mask"], before - before[region].mean(), 0)
    other = dataclasses.replace(result, artifacts=result.artifacts | {"chi": chi, "reference_mask": region})
    numbers = referencing(other)
    under_brain = before[region]  # the fixture is referred to the whole brain
    assert numbers["region_mean"] == pytest.approx(under_brain.mean(), abs=1e-6)
    assert numbers["region_sd"] == pytest.approx(under_brain.std(), rel=1e-5)
    assert f"{numbers['region_mean']:+.4f} ± " in methods_text(other).paragraph


def test_without_reference_the_text_says_so(result):
    plan = dataclasses.replace(result.plan, steps=result.plan.steps[:1])
    arrays = {k: v for k, v in result.artifacts.items() if k != "reference_mask"}
    other = dataclasses.replace(result, plan=plan, steps=result.steps[:1], reference=None, artifacts=arrays)
    assert "not referenced" in methods_text(other).paragraph


def test_zero_has_no_minus():
    assert [signed(v) for v in (-1e-9, 0.01234, -0.5)] == ["+0.0000", "+0.0123", "-0.5000"]


def test_settings_are_written_shortly():
    assert [setting_text(v) for v in (0.1, 1e-5, 3, True, False, None, (1, 2.5), "x")] == [
        "0.1", "1e-05", "3", "yes", "no", "none", "(1, 2.5)", "x",
    ]  # fmt: skip


def test_bibliography_reads_what_bibtex_writes():
    entry = parse(
        "@article{Müller2020,\n author = {Müller, Jean-Luc and {The Group} and van der Berg, A. B.},\n"
        " title = {A {QSM} title}, journal = {J}, volume = {7}, number = {2}, pages = {1--9},\n"
        " year = {2020}, doi = {10.1/x}\n}\n"
    )["Müller2020"]
    assert str(entry) == "Müller JL, The Group, van der Berg AB. A QSM title. J 2020;7(2):1–9. doi:10.1/x"


@pytest.mark.parametrize("text", ["@article{A, title = {x}", "@misc{A, title = {x}}\n@misc{A, title = {y}}"])
def test_a_damaged_bibliography_is_refused(text):
    with pytest.raises(ValueError, match="'A'"):
        parse(text)


def test_our_own_bibliography_is_complete():
    for reference in bibliography().values():
        assert reference.authors, reference.key
        assert {"title", "year"} <= reference.fields.keys(), reference.key
        assert "\\" not in str(reference), f"{reference.key}: write letters in UTF-8"
        assert reference.fields["year"].isdigit(), reference.key


def test_summaries_read_on_after_was_used_to():
    for entry in METHODS.values():
        first = entry.summary.split()[0]
        assert first[0].isupper(), f"{entry.name}: start the summary with a verb"
        assert not first.endswith("s"), f"{entry.name}: {entry.summary!r} is not an imperative"

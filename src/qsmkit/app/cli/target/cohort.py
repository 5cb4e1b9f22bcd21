"""`qsmkit target cohort`: which image shows a target best, over many subjects."""

from pathlib import Path
from typing import Annotated

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.target.flags import Many
from qsmkit.clinical.target.cohort import Cohort, Reading, compare
from qsmkit.errors import InputError
from qsmkit.io.tables import read_table
from qsmkit.reports.contrast_cohort import write_contrast_cohort


def cohort(
    tables: Annotated[list[Path], Many],
    /,
    *,
    formula: str = "cnr_mean_variance",
    favourite: str | None = None,
    images: Annotated[list[str] | None, Many] = None,
    confidence: float = 0.95,
    out: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Compare the contrast of images over subjects: repeated-measures tests, effects, figures.

    Images of one head are compared with one another: repeated-measures ANOVA and Friedman's test, every two images
    with Holm's procedure, and a mixed model with the hemisphere nested in the subject. The one-way ANOVA of published
    comparisons is given beside them.

    Parameters
    ----------
    tables
        Tables that qsmkit target cnr --out wrote, one or several; or folders, whose …_cnr.tsv and …_cnr.csv are taken
        at any depth.
    formula
        Ratio to compare; the tables hold all of them.
    favourite
        Image that the others are compared with; the last one of the tables if omitted.
    images
        Images to compare, in the figures' order; all if omitted.
    confidence
        Of the intervals.
    out
        Folder to make: report.html, statistics.json, tables, figures.
    json
        Print the statistics as JSON on stdout.
    overwrite
        Replace files that are there.
    """
    files = [f for path in tables for f in (_inside(path) if path.is_dir() else [path])]
    readings = [r for file in files for r in _readings(file, formula)]
    if images:
        absent = [i for i in images if all(r.image != i for r in readings)]
        if absent:
            there = ", ".join(dict.fromkeys(r.image for r in readings))
            raise InputError(f"no table tells of the image {absent[0]}; there are {there or 'none'}")
        readings = sorted((r for r in readings if r.image in images), key=lambda r: images.index(r.image))
    found = compare(readings, formula, favourite=favourite, confidence=confidence)
    for p in found.pairs:
        if p.left_out:
            console.say(f"warning: {p.pair}: an image is missing; left out of the tests: {', '.join(p.left_out)}")
        if p.nested and p.nested.trouble:
            console.say(f"warning: {p.pair}: the mixed model is doubtful ({p.nested.trouble})")
    if out:
        path = write_contrast_cohort(found, out, source=tables[0], overwrite=overwrite)
        console.say(f"report → {path}")
    if json:
        console.print_json({"formula": found.formula, "confidence": found.confidence} | found.rows())
    else:
        _print(found)


def _inside(folder: Path) -> list[Path]:
    found = sorted(f for end in ("tsv", "csv") for f in folder.rglob(f"*_cnr.{end}"))
    if not found:
        raise InputError(f"{folder} holds no …_cnr.tsv or …_cnr.csv; write them with qsmkit target cnr --out")
    return found


def _readings(file: Path, formula: str) -> list[Reading]:
    table = read_table(file)
    kept = [i for i, s in enumerate(table.text("statistic")) if s == formula]
    if not kept:
        known = ", ".join(dict.fromkeys(table.text("statistic")))
        raise InputError(f"{file} holds no {formula}; it has {known}")
    subject, side, image, pair = (table.text(c) for c in ("subject", "side", "image", "pair"))
    value = table.numbers("value")
    if not all(subject):
        raise InputError(f"{file} does not say whose images these are; give qsmkit target cnr --subject")
    return [Reading(subject[i], side[i], image[i], pair[i], value[i]) for i in kept]


def _print(found: Cohort) -> None:
    for p in found.pairs:
        means = p.table.means(found.confidence)
        console.print_table(
            ("image", "mean [interval]", "n"), [(c, str(m), str(m.n)) for c, m in means.items()],
            f"{p.pair}: {found.formula}",
        )  # fmt: skip
        tests = [
            (t.name, f"{t.statistic:.4g}", ", ".join(f"{d:g}" for d in t.degrees), f"{t.epsilon:.3f}", f"{t.p:.3g}",
             "; ".join(f"{name} {m}" for name, m in t.effects))
            for t in p.tests
        ]  # fmt: skip
        console.print_table(("test", "statistic", "df", "ε", "p", "effect"), tests)
        rows = [
            (f"{c.first} − {c.second}", str(c.difference), str(c.dz), f"{c.p_t_holm:.2g}", f"{c.p_wilcoxon_holm:.2g}",
             f"{c.larger}/{c.dz.n}")
            for c in p.comparisons
        ]  # fmt: skip
        heads = ("images", "difference [interval]", "dz", "p (t, Holm)", "p (Wilcoxon, Holm)", "first larger")
        console.print_table(heads, rows)
        for sentence in p.sentences(found.confidence):
            console.out.print(sentence, markup=False)
    console.out.print("Contrast-to-noise is a weak surrogate of targeting accuracy.", markup=False)
    console.disclaim()

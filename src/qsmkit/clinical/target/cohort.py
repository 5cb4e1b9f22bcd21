"""Which image shows a target best, over a cohort: contrasts of the same heads, their two sides nested in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from qsmkit.clinical.stats.assumptions import Assumption, assumptions
from qsmkit.clinical.stats.nested import Nested, nested_model
from qsmkit.clinical.stats.post_hoc import Comparison, comparisons
from qsmkit.clinical.stats.repeated import Repeated, Test, friedman, one_way_anova, repeated, repeated_anova
from qsmkit.errors import InputError
from qsmkit.measure import Measure


@dataclass(frozen=True, slots=True)
class Reading:
    """One contrast-to-noise ratio.

    Attributes
    ----------
    subject, side, image, pair : str
        Of whom, where, in which image, of which structures.
    value : float
        The ratio, a pure number.
    """

    subject: str
    side: str
    image: str
    pair: str
    value: float


@dataclass(frozen=True, eq=False)
class PairCohort:
    """The images compared on one pair of structures.

    Attributes
    ----------
    pair : str
        The structures.
    readings : tuple of Reading
        What was compared.
    table : Repeated
        Mean over the sides, a row a subject, a column an image.
    tests : tuple of Test
        Repeated-measures ANOVA, Friedman, and one-way ANOVA as published.
    assumptions : tuple of Assumption
        What these take for granted.
    comparisons : tuple of Comparison
        Every two images, Holm's procedure over all.
    nested : Nested or None
        The mixed model; None if sides are not told apart.
    favourite : str
        The image that the others are compared with.
    left_out : tuple of str
        Subjects and sides that lack an image.
    """

    pair: str
    readings: tuple[Reading, ...]
    table: Repeated
    tests: tuple[Test, ...]
    assumptions: tuple[Assumption, ...]
    comparisons: tuple[Comparison, ...]
    nested: Nested | None
    favourite: str
    left_out: tuple[str, ...]

    def sentences(self, confidence: float) -> Iterator[str]:
        """Yield what the numbers mean."""
        alpha, (anova, ranks, _), means = 1 - confidence, self.tests, self.table.means(confidence)
        order = sorted(means, key=lambda c: -means[c].value)
        yield f"{self.table.n} subjects; mean contrast-to-noise " + ", ".join(f"{c} {means[c]}" for c in order) + "."
        one = "differ" if anova.p < alpha else "are not shown to differ"
        two = "and" if (ranks.p < alpha) == (anova.p < alpha) else "but not"
        yield (
            f"The images {one} (repeated-measures ANOVA, ε {anova.epsilon:.2f}, p = {anova.p:.2g}), {two} by ranks "
            f"(Friedman, p = {ranks.p:.2g})."
        )
        against = [c for c in self.comparisons if self.favourite in (c.first, c.second)]
        better: list[str] = []
        worse: list[str] = []
        open_: list[str] = []
        for c in against:
            other = c.second if c.first == self.favourite else c.first
            gain = c.difference.value if c.first == self.favourite else -c.difference.value
            (open_ if c.p_t_holm >= alpha else better if gain > 0 else worse).append(other)
        for words, others in (("has more than", better), ("has less than", worse)):
            if others:
                yield f"{self.favourite} {words} {', '.join(others)} (paired t, Holm)."
        if open_:
            yield f"By that test no difference is shown between {self.favourite} and {', '.join(open_)}."


@dataclass(frozen=True, eq=False)
class Cohort:
    """The comparison of images over a cohort, pair by pair.

    Attributes
    ----------
    formula : str
        The contrast-to-noise ratio that was chosen.
    confidence : float
        Of every interval.
    pairs : tuple of PairCohort
        By pair of structures.
    """

    formula: str
    confidence: float
    pairs: tuple[PairCohort, ...]

    def rows(self) -> dict[str, list[dict[str, object]]]:
        """Return the tables of means, tests, comparisons and assumptions, a row a dict."""
        means = [
            {"pair": p.pair, "image": c} | m.as_dict()
            for p in self.pairs for c, m in p.table.means(self.confidence).items()
        ]  # fmt: skip
        tests = [
            {"pair": p.pair, "test": t.name, "statistic": t.statistic, "df": " ".join(f"{d:g}" for d in t.degrees),
             "epsilon": t.epsilon, "p": t.p, "p_uncorrected": t.p_uncorrected, **_flat("effect", name, m)}
            for p in self.pairs for t in p.tests for name, m in t.effects
        ]  # fmt: skip
        compared = [
            {"pair": p.pair, "first": c.first, "second": c.second, **_flat("measure", "difference", c.difference),
             "dz": c.dz.value, "dz_low": c.dz.low, "dz_high": c.dz.high, "p_t": c.p_t, "p_t_holm": c.p_t_holm,
             "p_wilcoxon": c.p_wilcoxon, "p_wilcoxon_holm": c.p_wilcoxon_holm, "first_is_larger": c.larger, "n": c.dz.n}
            for p in self.pairs for c in p.comparisons
        ]  # fmt: skip
        nested = [
            {"pair": p.pair, "first": p.favourite, "second": c, **_flat("measure", "difference", m), "p": p.nested.p}
            for p in self.pairs if p.nested for c, m in p.nested.differences.items()
        ]  # fmt: skip
        taken = [
            {"pair": p.pair, "assumption": a.name, "test": a.test, "statistic": a.statistic, "p": a.p,
             "then": a.meaning}
            for p in self.pairs for a in p.assumptions
        ]  # fmt: skip
        return {"means": means, "tests": tests, "comparisons": compared, "mixed_model": nested, "assumptions": taken}


def compare(
    readings: Sequence[Reading], formula: str, *, favourite: str | None = None, confidence: float = 0.95,
    rng: int | np.random.Generator = 1,
) -> Cohort:  # fmt: skip
    """Compare the contrast of images over subjects.

    Parameters
    ----------
    readings : sequence of Reading
        One for each subject, side, image and pair.
    formula : str
        What ratio they are.
    favourite : str, optional
        Image that the others are compared with; the last one if omitted.
    confidence : float
        Of the intervals.
    rng : int or Generator
        Seed or source of randomness.

    Raises
    ------
    InputError
        There is no reading, one is given twice, or too few subjects have every image.
    """
    seen: set[tuple[str, ...]] = set()
    for r in readings:
        key = (r.subject, r.side, r.image, r.pair)
        if key in seen:
            raise InputError(f"{r.subject}, {r.side}: {r.pair} in {r.image} is given twice; give it once")
        seen.add(key)
    if not readings:
        raise InputError(f"no reading of {formula} is given; make tables with qsmkit target cnr --out")
    pairs = dict.fromkeys(r.pair for r in readings)
    return Cohort(formula, confidence, tuple(
        _pair([r for r in readings if r.pair == pair], pair, favourite, confidence, rng) for pair in pairs
    ))  # fmt: skip


def _pair(
    readings: list[Reading], pair: str, favourite: str | None, confidence: float, rng: int | np.random.Generator
) -> PairCohort:
    images = tuple(dict.fromkeys(r.image for r in readings))
    favourite = favourite or images[-1]
    if favourite not in images:
        raise InputError(f"no image is called {favourite}; they are {', '.join(images)}")
    halves: dict[tuple[str, str], dict[str, float]] = {}
    for r in readings:
        halves.setdefault((r.subject, r.side), {})[r.image] = r.value
    whole = {key: v for key, v in halves.items() if len(v) == len(images) and np.isfinite(list(v.values())).all()}
    left_out = tuple(f"{subject} ({side})" for subject, side in halves if (subject, side) not in whole)
    subjects = tuple(dict.fromkeys(subject for subject, _ in halves))
    means = [
        np.mean([[v[c] for c in images] for (s, _), v in whole.items() if s == subject] or [[np.nan] * len(images)], 0)
        for subject in subjects
    ]
    table = repeated(means, subjects, images)
    sides = {side for _, side in whole}
    nested = None
    if len(sides) == 2:
        nested = nested_model(
            [r.value for r in readings], [r.subject for r in readings], [r.side for r in readings],
            [r.image for r in readings], favourite, confidence=confidence,
        )  # fmt: skip
    return PairCohort(
        pair, tuple(readings), table,
        (
            repeated_anova(table, confidence=confidence, rng=rng), friedman(table, confidence=confidence, rng=rng),
            one_way_anova(table, confidence=confidence),
        ),
        tuple(assumptions(table, alpha=1 - confidence)), tuple(comparisons(table, confidence=confidence)), nested,
        favourite, left_out,
    )  # fmt: skip


def _flat(heading: str, name: str, m: Measure) -> dict[str, object]:
    return {heading: name, "value": m.value, "low": m.low, "high": m.high, "method": m.method}

"""`qsmkit trial`: how many patients a study needs, what power it has, and the published cohorts' table."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from scipy import stats

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.clinical.monitor.trial_table import trial_table
from qsmkit.clinical.stats import sample_size, trial_power
from qsmkit.clinical.stats.sample_size import Design, Size
from qsmkit.errors import ParameterError
from qsmkit.io.tables import write_table

app = App(name="trial", help="Size and power of trials with imaging outcomes.")
size = App(name="size", help="How many patients are needed, with every assumption.")
app.command(size)

Trial = Annotated[Design, Parameter(name="*")]

READINGS = (
    "A share of patients over a whole follow-up is not a probability per assessment. Give --events with --patients for "
    "that reading, or with --years-observed for the rate per patient-year, and report which one you took."
)

_COLUMNS = (
    ("scenario", "scenario"), ("p1", "p1"), ("rel_reduction", "reduction"), ("alpha_two_sided", "α"),
    ("power", "power"), ("n_diggle_pooled", "pooled"), ("n_unpooled", "unpooled"), ("n_gee_logit", "GEE"),
    ("n_lograte_poisson", "log rate"), ("n_pooled_inflated_20pct_dropout", "pooled, 20 % lost"),
)  # fmt: skip


@app.command
def table(*, out: Path | None = None, json: Flag = False, overwrite: Flag = False) -> None:
    """Print patients per arm for the published cavernous-malformation cohorts, clinical event against biomarker.

    Parameters
    ----------
    out
        CSV or TSV file to write.
    json
        Print JSON on stdout.
    overwrite
        Replace a file that is there.
    """
    rows = list(trial_table())
    if out:
        write_table(out, rows, overwrite=overwrite)
    if json:
        console.print_json(rows)
        return
    cells = [[f"{r[c]:.4g}" if isinstance(r[c], float) else str(r[c]) for c, _ in _COLUMNS] for r in rows]
    title = "Patients per arm; 2 yearly assessments, correlation 0.8"
    console.print_table([heading for _, heading in _COLUMNS], cells, title)
    console.out.print(READINGS, markup=False)


@size.command
def binary(
    *,
    p1: float | None = None,
    reduction: float | None = None,
    p2: float | None = None,
    events: int | None = None,
    patients: int | None = None,
    years_observed: float | None = None,
    formula: sample_size.Formula = "pooled",
    design: Trial = Design(),  # noqa: B008
    json: Flag = False,
) -> None:
    """Size a trial that compares how often yearly assessments are positive.

    Parameters
    ----------
    p1
        Probability per assessment in the control arm.
    reduction
        Relative reduction by the treatment, 0 … 1.
    p2
        Probability per assessment in the treated arm, instead of --reduction.
    events
        Events in an earlier cohort, instead of --p1: the size at both ends of the base rate's interval is shown too.
    patients
        Patients (or assessments) of that cohort.
    years_observed
        Patient-years of that cohort.
    formula
        Variance of a difference of proportions.
    json
        Print JSON on stdout.
    """
    control = _control(p1, events, patients, years_observed, "probability per assessment")
    _two_arms(
        lambda a, b: sample_size.binary(a, b, design, formula), control, reduction, p2, design, f"formula {formula}",
        json,
    )  # fmt: skip
    if not json:
        console.out.print(READINGS, markup=False)


@size.command
def rate(
    *,
    rate1: float | None = None,
    reduction: float | None = None,
    rate2: float | None = None,
    events: int | None = None,
    years_observed: float | None = None,
    years: float = 1.0,
    dispersion: float = 0.0,
    design: Trial = Design(),  # noqa: B008
    json: Flag = False,
) -> None:
    """Size a trial that compares event rates.

    Parameters
    ----------
    rate1
        Events per patient-year in the control arm.
    reduction
        Relative reduction by the treatment, 0 … 1.
    rate2
        Events per patient-year in the treated arm, instead of --reduction.
    events
        Events in an earlier cohort, instead of --rate1.
    years_observed
        Patient-years of that cohort.
    years
        Length of a period in years; --m counts periods.
    dispersion
        Of the negative binomial distribution; 0 for Poisson.
    json
        Print JSON on stdout.
    """
    control = _control(rate1, events, None, years_observed, "rate per patient-year")
    what = f"periods of {years:g} years, dispersion {dispersion:g}"
    _two_arms(
        lambda a, b: sample_size.rate(a, b, design, years=years, dispersion=dispersion), control, reduction, rate2,
        design, what, json,
    )  # fmt: skip


@size.command
def continuous(
    *,
    difference: float,
    sd: float,
    t: Flag = False,
    design: Trial = Design(),  # noqa: B008
    json: Flag = False,
) -> None:
    """Size a trial that compares means over time.

    Parameters
    ----------
    difference
        Absolute difference of the arms' means: percentage points per year for an annual change in per cent.
    sd
        Standard deviation of one assessment between patients, in the same unit.
    t
        Enlarge the arms until the t test has the power; worth it below 30 an arm.
    json
        Print JSON on stdout.
    """
    found = sample_size.continuous(difference, sd, design, t_correction=t)
    what = f"absolute difference {difference:g}, standard deviation of one assessment {sd:g}"
    assumed = [what, *_assumptions(design)]
    if found.n1 < 30 and not t:
        assumed.append("the normal distribution; with fewer than 30 an arm the t test needs one or two more (--t)")
    _show(found, assumed, {}, design, json=json)


@size.command
def icc(*, icc: float, width: float, json: Flag = False) -> None:
    """Size a study of two methods' agreement by the precision of the intraclass correlation.

    Parameters
    ----------
    icc
        Expected correlation.
    width
        Whole width of its 95 % interval.
    json
        Print JSON on stdout.
    """
    _cases(sample_size.icc_width(icc, width), f"ICC {icc:g}, 95 % interval {width:g} wide (Bonett 2002)", json)


@size.command
def limits(*, sd: float, width: float, json: Flag = False) -> None:
    """Size a study of two methods' agreement by the precision of a limit of agreement.

    Parameters
    ----------
    sd
        Standard deviation of the differences.
    width
        Whole width of the 95 % interval of a limit, in the same unit.
    json
        Print JSON on stdout.
    """
    _cases(sample_size.limits_width(sd, width), f"SD {sd:g}, exact 95 % interval of a limit {width:g} wide", json)


@app.command
def power(
    *,
    p1: float,
    p2: float,
    n: int,
    n2: int | None = None,
    alpha: float = 0.05,
    m: int = 2,
    rho: float = 0.8,
    one_sided: Flag = False,
    test: trial_power.Test = "gee_logit",
    repeats: int = 10_000,
    seed: int = 1,
    json: Flag = False,
) -> None:
    """Simulate a trial with binary assessments many times and print the share that finds the effect.

    Parameters
    ----------
    p1
        Probability per assessment in the control arm.
    p2
        Probability per assessment in the treated arm; if equal to --p1, the level of the test is printed.
    n
        Patients analysed in the control arm, and in the treated one unless --n2 is given.
    n2
        Patients analysed in the treated arm.
    alpha
        Level of the test.
    m
        Assessments of each patient.
    rho
        Correlation of two assessments of one patient.
    one_sided
        Test one direction only.
    test
        Logistic GEE or difference of proportions, both with robust variance.
    repeats
        Simulated trials.
    seed
        Of the simulation.
    json
        Print JSON on stdout.
    """
    design = Design(alpha, m=m, rho=rho, two_sided=not one_sided)
    found = trial_power.binary_power(p1, p2, n, n2 or n, design, test=test, repeats=repeats, rng=seed)
    if json:
        console.print_json({"power": found.as_dict()})
        return
    console.out.print(
        f"power {found}: share of {repeats} simulated trials of {n} + {n2 or n} patients that find {p1:g} and {p2:g} "
        f"to differ; {m} assessments, correlation {rho:g}, α {alpha:g}, {test} with robust variance",
        markup=False,
    )


def _needed(flag: str, value: float | None) -> float:
    if value is None:
        raise console.UsageError(f"{flag} is missing; see the command's --help")
    return value


def _control(
    given: float | None, events: int | None, patients: int | None, years: float | None, what: str
) -> tuple[float, tuple[float, ...], str]:
    """Return the control arm's probability or rate, the ends of its interval if a cohort gave it, and what it is."""
    if given is not None:
        return given, (), f"{what} {given:g} as given"
    count = int(_needed("--events, or the base rate itself,", events))
    if count < 1:
        raise ParameterError(f"{count} events give no base rate; a trial cannot be sized on them")
    if years is not None:
        if not years > 0:
            raise ParameterError(f"{years} patient-years are not positive")
        low, high = float(stats.chi2.ppf(0.025, 2 * count)), float(stats.chi2.ppf(0.975, 2 * count + 2))
        ends = (low / 2 / years, high / 2 / years)
        told = f"{count} events in {years:g} patient-years: {count / years:.4g} a year, exact Poisson 95 % interval"
        return count / years, ends, f"{told} {ends[0]:.4g} … {ends[1]:.4g}; read per patient-year"
    people = int(_needed("--patients or --years-observed", patients))
    if count > people:
        raise ParameterError(f"{count} events in {people} patients; count a patient once")
    interval = stats.binomtest(count, people).proportion_ci(method="wilson")
    ends = (float(interval.low), float(interval.high))
    told = f"{count} of {people} patients: {count / people:.4g}, Wilson 95 % interval {ends[0]:.4g} … {ends[1]:.4g}"
    return count / people, ends, f"{told}; read per patient and taken as per assessment"


def _two_arms(
    sized: Callable[[float, float], Size], control: tuple[float, tuple[float, ...], str], reduction: float | None,
    treated: float | None, design: Design, what: str, json: bool,
) -> None:
    base, ends, told = control
    if treated is None and not 0 < _needed("--reduction, or the treated arm's value,", reduction) < 1:
        raise ParameterError(f"reduction = {reduction} is not between 0 and 1; 0.3 takes 30 % off")

    def other(value: float) -> float:
        return treated if treated is not None else value * (1 - _needed("--reduction", reduction))

    found = sized(base, other(base))
    at_ends = {f"{end:.4g}": sized(end, other(end)) for end in ends if other(end) != end}
    _show(found, [told, f"treated {other(base):.4g}", what, *_assumptions(design)], at_ends, design, json=json)


def _assumptions(design: Design) -> list[str]:
    return [
        f"two arms 1:{design.ratio:g}, {'two' if design.two_sided else 'one'}-sided α {design.alpha:g}, "
        f"power {design.power:g}",
        f"{design.m} assessments a patient, exchangeable correlation {design.rho:g}: design effect {design.effect:.3g}",
        f"dropout {100 * design.dropout:g} %",
    ]


def _show(found: Size, assumed: list[str], at_ends: dict[str, Size], design: Design, *, json: bool) -> None:
    if json:
        numbers = {"raw": found.raw, "n1": found.n1, "n2": found.n2, "total": found.total}
        enrolled = {"enrol1": found.enrol1, "enrol2": found.enrol2, "enrolled": found.enrolled}
        bounds = {"at_ends_of_base_rate": {k: s.n1 for k, s in at_ends.items()}}
        console.print_json(numbers | enrolled | bounds | {"assumptions": assumed})
        return
    lines = [f"{found.n1} + {found.n2} = {found.total} patients to analyse ({found.raw:.4f} in arm 1 before rounding)"]
    if design.dropout:
        lines.append(f"{found.enrol1} + {found.enrol2} = {found.enrolled} patients to enrol")
    lines += [f"were the base rate {end}, an end of its interval: {s.n1} + {s.n2}" for end, s in at_ends.items()]
    lines += [f"assumed: {a}" for a in assumed]
    console.out.print("\n".join(lines), markup=False)


def _cases(n: int, assumed: str, json: bool) -> None:
    if json:
        console.print_json({"n": n, "assumptions": [assumed, "independent cases"]})
    else:
        console.out.print(f"{n} cases\nassumed: {assumed}; independent cases", markup=False)

from typing import Annotated, Literal, NamedTuple

import numpy as np
import pytest
from annotated_types import Gt, Le

import qsmkit.recon  # noqa: F401  registers the methods
from qsmkit.errors import InputError, MaskError, MetadataError, ParameterError, ShapeError
from qsmkit.grid import Grid
from qsmkit.method import METHODS, get, method

GRID = Grid.tilted((3, 4, 5))
FIELD = np.ones((3, 4, 5), np.float32)
MASK = np.ones((3, 4, 5), bool)


@pytest.fixture
def example(monkeypatch):
    monkeypatch.setattr("qsmkit.method.METHODS", METHODS.copy())

    def scaled(
        local_field,
        mask,
        grid,
        magnitude=None,
        *,
        factor: Annotated[float, Gt(0), Le(2)] = 0.5,
        rounds: int = 1,
        kind: Literal["a", "b"] = "a",
        radii: tuple[float, ...] = (1.0,),
        limit: float | None = None,
    ):
        """Scale the field.

        Parameters
        ----------
        local_field : (X, Y, Z) array
            Local field in ppm.
        factor : float
            What to multiply
            by, dimensionless.
        """
        return local_field * factor

    return method("inversion", produces="chi", cite="Nobody1900", rev=3)(scaled)


def entry(function):
    import qsmkit.method

    return qsmkit.method.METHODS[function.__name__]


def test_everything_is_read_off_the_signature(example):
    made = entry(example)
    assert made.needs == ("local_field", "mask", "grid")
    assert made.uses == ("magnitude",)
    assert made.produces == ("chi",)
    assert made.summary == "Scale the field"
    assert list(made.parameters) == ["factor", "rounds", "kind", "radii", "limit"]
    assert made.parameters["factor"].help == "What to multiply by, dimensionless."
    assert (made.cite, made.rev) == (("Nobody1900",), 3)


def test_a_call_checks_and_converts(example):
    result = example((FIELD * 3).astype(np.int16), MASK.astype(np.uint8), GRID, factor=2)
    assert result.dtype == np.float32
    assert (result == 6).all()
    assert example(FIELD.astype(np.float64), MASK, GRID).dtype == np.float64


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"factor": 0}, "greater than 0"),
        ({"factor": 3.0}, "at most 2"),
        ({"factor": "x"}, "not a number"),
        ({"factor": True}, "not a number"),
        ({"rounds": 1.5}, "not a whole number"),
        ({"kind": "c"}, "one of a, b"),
        ({"radii": "x"}, "radii"),
        ({"radii": [1, "y"]}, "radii"),
        ({"speed": 1}, "no parameter 'speed'; it has: factor"),
    ],
)
def test_unfit_settings_are_named(example, settings, words):
    with pytest.raises(ParameterError, match=words):
        entry(example).check(settings)


def test_settings_are_completed_and_converted(example):
    assert entry(example).check({"factor": 1, "radii": [2, 3], "limit": None}) == {
        "factor": 1.0, "rounds": 1, "kind": "a", "radii": (2.0, 3.0), "limit": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("args", "error", "words"),
    [
        ((FIELD[0], MASK, GRID), ShapeError, "not 3 dimensions"),
        ((FIELD[:2], MASK, GRID), ShapeError, "the grid has"),
        ((FIELD, MASK & False, GRID), MaskError, "empty"),
        ((FIELD * np.nan, MASK, GRID), InputError, "60 voxels that are not finite"),
        ((FIELD, MASK, GRID, FIELD), ShapeError, "echo axis last"),
    ],
)
def test_unfit_arrays_are_named(example, args, error, words):
    with pytest.raises(error, match=words):
        example(*args)


def test_echo_counts_must_agree():
    class Pair(NamedTuple):
        phase: np.ndarray
        phase_offset: np.ndarray

    def no_name_taken(phase, echo_times, *, power: int = 1) -> Pair:
        """Do nothing."""
        return Pair(phase, phase[..., 0])

    registered = method("field", cite="Nobody1900", rev=1)(no_name_taken)
    try:
        assert METHODS["no_name_taken"].produces == ("phase", "phase_offset")
        with pytest.raises(ShapeError, match="numbers of echoes differ"):
            registered(np.zeros((2, 2, 2, 3)), np.array([0.01, 0.02]))
    finally:
        del METHODS["no_name_taken"]


@pytest.mark.parametrize("times", [[0.01, 0.005], [0.005, 0.005], [0.0, 0.01], [0.005, np.nan], [-0.005, 0.01]])
def test_echo_times_must_be_positive_and_ascending(times):
    with pytest.raises(MetadataError, match="romeo: echo_times"):
        get("romeo").function(np.ones((3, 4, 5, 2), np.float32), times, MASK, GRID)


@pytest.mark.parametrize("tesla", [0.0, -3.0, np.nan])
def test_the_field_strength_must_be_positive(tesla):
    with pytest.raises(MetadataError, match="single_echo: field_strength"):
        get("single_echo").function(np.ones((3, 4, 5, 1), np.float32), [0.01], tesla, MASK, GRID)


def test_a_mask_holds_no_nan(example):
    with pytest.raises(MaskError, match="not finite"):
        example(FIELD, np.where(MASK, np.nan, 1), GRID)


def test_two_methods_cannot_share_a_name(example):
    with pytest.raises(InputError, match="registered already"):
        method("inversion", produces="chi", cite="X", rev=1)(example.__wrapped__)


def test_unknown_artifacts_are_refused():
    with pytest.raises(InputError, match="not in the artifact table"):
        method("inversion", produces="chi", cite="X", rev=1)(lambda no_such_thing: no_such_thing)


def test_an_unknown_method_is_answered_with_the_known():

    with pytest.raises(ParameterError, match="tkd"):
        get("no_such_method")

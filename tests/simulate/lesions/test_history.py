import pytest

from qsmkit.errors import ParameterError
from qsmkit.simulate.lesions.history import Event, History


def test_a_lesion_without_history_is_stable():
    assert History().chi(700.0) == History().volume(700.0) == 1.0
    assert History().there(-5.0)


def test_accrual_and_growth_are_yearly():
    history = History(accrual=0.08, growth=-0.1)
    assert history.chi(365.25) == pytest.approx(1.08)
    assert history.chi(730.5) == pytest.approx(1.08**2)
    assert history.volume(365.25) == pytest.approx(0.9)


def test_a_haemorrhage_jumps_and_decays_to_what_remains():
    history = History(events=(Event(kind="haemorrhage", day=100, chi=0.6, volume=1.0, half_life=50, remains=0.25),))
    assert history.chi(99.9) == 1.0
    assert history.chi(100) == pytest.approx(1.6)
    assert history.chi(150) == pytest.approx(1 + 0.6 * (0.25 + 0.75 / 2))
    assert history.chi(5000) == pytest.approx(1 + 0.6 * 0.25)
    assert history.volume(100) == pytest.approx(2.0)


def test_a_lesion_is_not_there_before_its_onset():
    history = History(onset=200)
    assert [history.there(d) for d in (0, 199, 200, 300)] == [False, False, True, True]


@pytest.mark.parametrize(("wrong", "message"), [
    (lambda: Event(kind="growth", day=1, chi=0.2), "goes with a haemorrhage"),
    (lambda: Event(kind="haemorrhage", day=1), "changes nothing"),
    (lambda: History(onset=9, events=(Event(kind="growth", day=1, volume=1),)), "precedes the onset"),
    (lambda: History(events=tuple(Event(kind="growth", day=d, volume=1) for d in (9, 3))), "out of order"),
])
def test_contradictions_are_named(wrong, message):
    with pytest.raises(ParameterError, match=message):
        wrong()

"""A step that fails stops what needs it, and nothing else."""

import warnings

from qsmkit.clinical.registration.gates import Gate
from qsmkit.errors import DataWarning, InputError
from qsmkit.pipeline.branches import Branches, Done, gates_of


def gate(verdict):
    return Gate("g", 1.0, "mm", verdict, "text")


def failing():
    raise InputError("no lead is there")


def test_a_failure_stops_its_branch_and_is_shown():
    told = []
    steps = Branches(told.append)
    assert steps.run("images", lambda: Done(7, "seven", (gate("PASS"),))) == 7
    assert steps.run("leads", failing) is None
    assert steps.run("contacts", lambda: Done(1, ""), "images", "leads") is None
    assert steps.run("contrast", lambda: Done(2, "two"), "images") == 2
    assert [(b.name, b.verdict) for b in steps.done] == [
        ("images", "PASS"), ("leads", "FAIL"), ("contacts", "NOT DONE"), ("contrast", "PASS"),
    ]  # fmt: skip
    assert "no lead is there" in steps.done[1].text
    assert "leads" in steps.done[2].text
    assert told == ["images", "leads", "contrast"]
    assert steps.verdict == "FAIL"


def test_a_gate_that_fails_withholds_the_result_and_one_to_review_does_not():
    steps = Branches()
    assert steps.run("fusion", lambda: Done("transform", "made", (gate("PASS"), gate("FAIL")))) is None
    assert steps.run("nuclei", lambda: Done("labels", "made", (gate("REVIEW"),))) == "labels"
    assert steps.run("contacts", lambda: Done(1, ""), "fusion") is None
    assert steps.done[0].gates[1].verdict == "FAIL"


def test_warnings_are_kept_once_and_ask_for_review():
    def warning():
        for _ in range(2):
            warnings.warn(DataWarning("odd"), stacklevel=2)
        return Done(1, "made")

    steps = Branches()
    assert steps.run("leads", warning) == 1
    assert steps.done[0].warnings == ("odd",)
    assert steps.verdict == "REVIEW"
    steps = Branches()
    steps.skip("errors", "no plan is given")
    assert steps.verdict == "REVIEW"
    assert steps.done[0].as_dict()["verdict"] == "NOT DONE"


def test_gates_of_others_say_what_they_are_of():
    (made,) = gates_of([gate("REVIEW")], "T1w")
    assert (made.name, made.verdict) == ("g, T1w", "REVIEW")

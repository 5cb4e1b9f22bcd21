import json

import pytest

from qsmkit.errors import InputError
from qsmkit.io import bids, bids_name
from qsmkit.io.bids_filter import read_filter


@pytest.fixture
def taken(tmp_path):
    def taken(query, *names):
        path = tmp_path / "filter.json"
        path.write_text(json.dumps({"megre": query, "t1w": {"session": "x"}}))
        only = read_filter(path)
        return [n for n in names if only.takes(bids_name.parse(n))]

    return taken


A, B, C = "sub-1_acq-qsm_run-1_MEGRE.nii", "sub-1_ses-2_acq-qsm_run-02_MEGRE.nii", "sub-1_acq-swi_T2starw.nii"


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ({}, [A, B, C]),
        ({"acquisition": "qsm"}, [A, B]),
        ({"acq": ["qsm", "swi"]}, [A, B, C]),
        ({"run": 2}, [B]),
        ({"run": None}, [C]),
        ({"run": "*"}, [A, B]),
        ({"session": None, "suffix": "MEGRE"}, [A]),
        ({"suffix": "T2starw"}, [C]),
    ],
)
def test_entities_are_compared_as_they_are_written(taken, query, left):
    assert taken(query, A, B, C) == left


def test_only_wanted_scans_are_found(dataset, tmp_path):
    path = tmp_path / "filter.json"
    path.write_text('{"megre": {"suffix": "MEGRE", "echo": [1, 2]}}')
    (files,) = bids.find_scans(dataset.root, only=read_filter(path))
    assert len(files.phase) == len(files.magnitude) == 2
    path.write_text('{"megre": {"session": "2"}}')
    with pytest.raises(InputError, match="that the filter takes"):
        bids.find_scans(dataset.root, only=read_filter(path))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"t1w": {}}', "no object 'megre'"),
        ('{"megre": {"colour": "red"}}', "'colour' is no entity"),
        ('{"megre": {"run": {}}}', "give a label"),
        ('{"megre": {"run": true}}', "give a label"),
        ("[]", "not an object"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(tmp_path, content, words):
    path = tmp_path / "filter.json"
    path.write_text(content)
    with pytest.raises(InputError, match=words):
        read_filter(path)

import pytest

from qsmkit.io import bids_name


def test_name_is_taken_apart_and_put_together_in_order():
    name = bids_name.parse("sub-01_part-phase_echo-2_acq-a_ses-b_MEGRE.nii.gz")
    assert name.suffix == "MEGRE"
    assert name.entities["echo"] == "2"
    assert str(name) == "sub-01_ses-b_acq-a_echo-2_part-phase_MEGRE"
    assert name.without("echo", "part").stem == "sub-01_ses-b_acq-a"


def test_desc_comes_last_before_the_suffix():
    assert (
        str(bids_name.parse("sub-1_desc-x_part-phase_space-T1w_MEGRE"))
        == "sub-1_part-phase_space-T1w_desc-x_MEGRE"
    )


@pytest.mark.parametrize(
    "text", ["sub-01_e1_ph.nii.gz", "sub_MEGRE.nii", "sub-01_foo-2_MEGRE.nii", "a-b.nii", "sub-01_"]
)
def test_other_names_are_not_of_bids(text):
    assert bids_name.parse(text) is None


@pytest.mark.parametrize("text", ["a.nii", "a.nii.gz", "a.json", "a"])
def test_stem_drops_the_extension(text):
    assert bids_name.stem(text) == "a"

import sys

import numpy as np
import pytest

from qsmkit.errors import MissingExtraError
from qsmkit.io import template
from qsmkit.io.template import load_template


def test_the_template_is_a_brain_in_stereotactic_coordinates():
    volumes = load_template()
    t1, gm, wm = (volumes[name] for name in ("t1", "gm", "wm"))
    for volume in (t1, gm, wm):
        assert volume.data.dtype == np.float32
        assert volume.data.min() == 0
        assert volume.data.max() <= 1
        assert t1.grid.difference(volume.grid) is None
        np.testing.assert_allclose(volume.grid.voxel_size, (1, 1, 1))
    place = tuple(np.rint(t1.grid.voxel((25, -20, 30))).astype(int))  # corona radiata
    assert wm.data[place] > 0.9
    assert wm.data[place] + gm.data[place] <= 1.01
    assert "nilearn.datasets" not in sys.modules


def test_a_missing_template_names_the_package_and_the_way_out(monkeypatch):
    monkeypatch.setattr(template, "FILES", "no/such/{}.nii.gz")
    with pytest.raises(MissingExtraError, match=r"pip install nilearn.*parametric"):
        load_template()
    monkeypatch.setattr(template, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"nilearn was not found.*parametric"):
        load_template()

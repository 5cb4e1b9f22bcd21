"""The cohort's figure: an interval without end does not blow up the axis."""

import io

import numpy as np
from matplotlib.image import imread

from clinical.monitor.lesions import seen
from qsmkit.clinical.monitor.cohort import cohort
from qsmkit.clinical.monitor.error_model import ErrorModel
from qsmkit.reports.monitor_figures import ALARM, change_png


def test_an_interval_without_end_leaves_the_others_readable():
    observations = [seen(0.3, patient="A", noise=0.2), seen(0.33, 1, patient="A", noise=0.2),
                    seen(0.3, patient="B"), seen(0.301, 1, patient="B")]  # fmt: skip
    made = cohort(observations, errors=ErrorModel())
    assert np.isinf([c.percent.high for c in made.changes]).any()
    image = imread(io.BytesIO(change_png(made)))[..., :3]
    alarm = np.array([int(ALARM[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    whisker = (np.abs(image - alarm).max(-1) < 0.1).any(1)
    assert whisker.mean() > 0.5  # the flagged lesion's interval spans the axis

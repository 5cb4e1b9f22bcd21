"""A body to draw lesions into."""

import pytest

from bodies import ball_body, watery


@pytest.fixture
def body():
    return ball_body(radius=60.0)


@pytest.fixture
def properties(body):
    return watery(body)

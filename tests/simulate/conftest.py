"""Fixtures of the scanners' tests."""

import pytest

from qsmkit.simulate.body import Body
from qsmkit.simulate.properties import Properties
from simulate.phantoms import light_body


@pytest.fixture(scope="session")
def patient() -> tuple[Body, Properties]:
    """A light head every 2 mm."""
    return light_body()

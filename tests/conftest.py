"""Fixtures that every test may use."""

import os
from pathlib import Path

import numpy as np
import pytest

SHARED = Path(os.environ.get("QSMKIT_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture
def rng():
    return np.random.default_rng(20261124)


@pytest.fixture(scope="session")
def shared_data():
    """Folder of real scans; the test is skipped, visibly, where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"real data not found at {SHARED}; set QSMKIT_DATA")
    return SHARED

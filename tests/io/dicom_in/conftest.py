import pytest

from vendor_scan import make_scan


@pytest.fixture(scope="session")
def scanned():
    return make_scan()

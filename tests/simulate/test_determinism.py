"""The same seed gives the same bytes, however many threads there are."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from qsmkit.simulate.gre import GreProtocol, gre
from qsmkit.simulate.structural import STRUCTURAL, structural
from simulate.phantoms import ball_body


def digest() -> str:
    body, properties = ball_body()
    geometry = {"voxel_size": (1.5, 1.5, 1.5), "matrix": (24, 24, 24), "snr": 50.0}
    scan = gre(body, properties, GreProtocol(**geometry, coils=2, combination="adaptive"))
    image = structural(body, properties, replace(STRUCTURAL["T1w"], **geometry, restlessness=1.0)).image
    made = scan.phase.tobytes() + scan.magnitude.tobytes() + scan.truth["total_field"].tobytes() + image.tobytes()
    return hashlib.sha256(made).hexdigest()


def test_one_thread_makes_the_same_bytes_as_many():
    alone = subprocess.run(
        [sys.executable, "-c", "from simulate.test_determinism import digest; print(digest())"],
        env=os.environ | {"QSMKIT_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
                          "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert alone.stdout.strip() == digest()

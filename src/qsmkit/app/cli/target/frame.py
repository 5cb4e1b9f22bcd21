"""`qsmkit target frame`: the angles of ring and arc."""

import numpy as np

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.target.flags import Point
from qsmkit.clinical.target.frame import Mounting, angles, from_leksell


def frame(
    *,
    target: Point,
    entry: Point,
    mounting: Mounting,
    leksell: Flag = False,
    json: Flag = False,
) -> None:
    """Give the ring and arc angles that lead from an entry to a target.

    Parameters
    ----------
    target
        Frame-aligned RAS mm about the frame's centre, or Leksell X Y Z with --leksell.
    entry
        The same for the entry.
    mounting
        How the arc sits on the ring; the same angles mean another direction otherwise.
    leksell
        The points are Leksell coordinates.
    json
        Print JSON on stdout.
    """
    a, b = (from_leksell(p) if leksell else np.array(p) for p in (target, entry))
    found = angles(a, b, mounting)
    depth = float(np.linalg.norm(a - b))
    if json:
        console.print_json({"ring_deg": found.ring, "arc_deg": found.arc, "depth_mm": depth, "mounting": mounting})
    else:
        console.out.print(
            f"ring {found.ring:.2f}°, arc {found.arc:.2f}°, {mounting}; entry to target {depth:.2f} mm\n"
            "Check it on the phantom base.", markup=False,
        )  # fmt: skip
        console.disclaim()

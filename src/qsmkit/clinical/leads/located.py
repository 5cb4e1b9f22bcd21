"""A lead found in a CT, with how sure each of its contacts is."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.stats import chi2

from qsmkit.leads.curve import Points
from qsmkit.leads.lead import Lead
from qsmkit.measure import Measure
from qsmkit.transform import Transform

Side = Literal["left", "right"]

SURE = 0.95
"""Least probability of a model, or of a group of models that look alike, that counts as sure."""


@dataclass(frozen=True, eq=False)
class LocatedContact:
    """One contact.

    Attributes
    ----------
    level, segment : int
        Counted from the tip upwards, and about the lead; both from zero.
    name : str
        "1" for a ring, "2A" for a segment, with levels from 1.
    position : (3,) array
        On the axis for a ring, on the surface for a segment, RAS mm.
    covariance : (3, 3) array
        Of the position, mm²; of registration too, once `moved` by a transform whose error is told.
    """

    level: int
    segment: int
    name: str
    position: Points
    covariance: Points

    def distance(self, point: Points) -> float:
        """Return how many standard deviations a point (3,), mm, lies from the contact (Mahalanobis)."""
        off = point - self.position
        return float(np.sqrt(off @ np.linalg.solve(self.covariance, off)))

    def ellipsoid(self, confidence: float = 0.95) -> tuple[Points, Points]:
        """Return the semi-axes (3,), mm, and their unit vectors, one a column (3, 3), of the confidence ellipsoid."""
        variance, axes = np.linalg.eigh(self.covariance)
        return np.sqrt(chi2.ppf(confidence, 3) * variance), axes


@dataclass(frozen=True, eq=False)
class LocatedLead:
    """One lead.

    Attributes
    ----------
    name : str
        "lead_R", or "lead_R1", "lead_R2" from the front backwards where there are several.
    side : {"left", "right"}
        From which it comes.
    lead : Lead
        As a geometric object, in the CT's RAS mm until `moved`; its `entry` is where the track leaves the brain.
    contacts : tuple of LocatedContact
        From the tip upwards and A, B, C about the lead.
    model : str
        The most probable model, or what was asked for.
    alike : tuple of str
        Models that a CT cannot tell from it, itself included: their contacts lie alike.
    candidates : dict of str to float
        Probability of each model that was compared.
    rotation : Measure or None
        Direction of the orientation marker, counted as in `LeadPlan.rotation`; None for a lead without segments.
    ambiguous : bool
        Whether the marker may as well look a third of a turn or more away, the opposite way included.
    misfit : float
        Mean squared residual over the allowed variance: above 3 something else than the model is in the way.
    cut : bool
        Whether the track goes on beyond the image.
    notes : tuple of str
        What whoever reads the result should know.
    """

    name: str
    side: Side
    lead: Lead
    contacts: tuple[LocatedContact, ...]
    model: str
    alike: tuple[str, ...]
    candidates: dict[str, float]
    rotation: Measure | None
    ambiguous: bool
    misfit: float
    cut: bool
    notes: tuple[str, ...] = ()

    @property
    def sure(self) -> bool:
        """Whether one model, or one group of models that look alike, has at least 95 % of the probability."""
        return sum(self.candidates.get(name, 0.0) for name in self.alike) >= SURE

    def moved(self, transform: Transform, error: float = 0.0) -> "LocatedLead":
        """Return the lead in another space.

        Parameters
        ----------
        transform : Transform
            Takes points of this space to the other (as a transform from a fixed CT does; invert one that was made the
            other way round). An affine one turns the covariances too, and bends nothing.
        error : float
            Standard deviation of the transform's own error along each axis, mm.
        """
        linear = transform.matrix[:3, :3]
        contacts = tuple(
            replace(
                contact, position=transform.apply(contact.position),
                covariance=linear @ contact.covariance @ linear.T + error**2 * np.eye(3),
            )
            for contact in self.contacts
        )
        return replace(self, lead=self.lead.moved(transform.matrix), contacts=contacts)

    def heading(self, anterior: Points) -> float | None:
        """Return the marker's direction in degrees from `anterior` (3,), in the space the lead is in; None if unknown.

        Counted as in `LeadPlan.rotation`: positive right-handed about the direction from tip to entry.
        """
        look, marker = self.lead.marker_direction, self.lead.electrode.marker
        if look is None or marker is None or self.rotation is None:
            return None
        d = self.lead.curve.tangent(marker.centre)
        front = anterior - (anterior @ d) * d
        return float(np.rad2deg(np.arctan2(np.cross(d, front) @ look, front @ look)))

"""In which nucleus each contact of a lead lies, and how sure that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qsmkit.clinical.leads.located import LocatedLead
from qsmkit.clinical.leads.nuclei import cloud, probable
from qsmkit.clinical.target.structure import Structure
from qsmkit.leads.curve import Points
from qsmkit.measure import Measure
from qsmkit.volume import Volume


@dataclass(frozen=True, eq=False)
class ContactPlace:
    """Where one contact lies.

    Attributes
    ----------
    lead, contact : str
        Their names.
    position : (3,) tuple
        RAS mm in the space of the nuclei.
    deviation : float
        Root mean square of its standard deviations along the three axes, mm.
    chances : mapping of str to float
        Chance of lying in each nucleus, over where the contact may be and where the nucleus ends; the largest first.
    distances : mapping of str to Measure
        Distance from the surface of each nucleus, mm, negative inside.
    """

    lead: str
    contact: str
    position: tuple[float, float, float]
    deviation: float
    chances: Mapping[str, float]
    distances: Mapping[str, Measure]

    @property
    def nearest(self) -> str:
        """The nucleus whose surface is nearest, or in which the contact lies deepest; empty if none is known."""
        return min(self.distances, key=lambda name: self.distances[name].value, default="")

    @property
    def inside(self) -> str:
        """The nucleus in which the contact lies more likely than not; empty if there is none."""
        return next((name for name, chance in self.chances.items() if chance > 0.5), "")


def places(
    leads: Sequence[LocatedLead], structures: Mapping[str, Sequence[Structure]],
    probabilities: Mapping[str, Mapping[str, Volume]],
) -> list[ContactPlace]:  # fmt: skip
    """Return where every contact lies.

    Parameters
    ----------
    leads : sequence of LocatedLead
        In the space of the nuclei, the error of fusion in their covariances.
    structures : mapping of {"left", "right"} to sequence of Structure
        Nuclei of each side, for distances.
    probabilities : mapping of {"left", "right"} to (mapping of str to Volume)
        Maps (X, Y, Z) of the chance, 0 … 1, of each nucleus of a side.
    """
    found = []
    for lead in leads:
        for contact in lead.contacts:
            spread = cloud(contact)
            x, y, z = (float(v) for v in contact.position)
            found.append(ContactPlace(
                lead.name, contact.name, (x, y, z), float(np.sqrt(np.trace(contact.covariance) / 3)),
                probable(contact, probabilities[lead.side]),
                {s.name: _distance(s, contact.position, spread) for s in structures[lead.side]},
            ))  # fmt: skip
    return found


def _distance(structure: Structure, position: Points, spread: Points) -> Measure:
    value = float(structure.away(position[None])[0])
    low, high = (float(v) for v in np.percentile(structure.away(spread), (2.5, 97.5)))
    how = "distance from the surface; 2.5th to 97.5th percentile over the contact's position"
    return Measure(value, min(low, value), max(high, value), "mm", len(spread), how)

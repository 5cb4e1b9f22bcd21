"""Which structure a contact is in, and how sure that is.

    P(structure) = ∫ N(x; position, covariance) p(structure | x) dx

by an average over fixed quasi-random points, with p the label at x (0 or 1) or the value of a map of probabilities.
"""

from collections.abc import Mapping

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.stats import norm, qmc

from qsmkit.clinical.leads.located import LocatedContact
from qsmkit.errors import InputError, ShapeError
from qsmkit.leads.curve import Points
from qsmkit.volume import Volume

POINTS = 10
"""Two to this power points are averaged."""

NONE = "none"
"""What a place without a label is in."""


def labelled(contact: LocatedContact, labels: Volume, names: Mapping[int, str]) -> dict[str, float]:
    """Return the probability of every labelled structure that is possible, most probable first.

    Parameters
    ----------
    contact : LocatedContact
        In the space of the label image.
    labels : Volume
        (X, Y, Z) whole numbers; 0 is none.
    names : mapping of int to str
        Names of the labels; others bear their number.

    Raises
    ------
    ShapeError
        The label image is not 3-D.
    InputError
        The contact lies outside the label image.
    """
    index = np.rint(labels.grid.voxel(cloud(contact))).astype(int)
    inside = _inside(contact, labels, index)
    values = np.zeros(len(index), np.int64)
    values[inside] = np.rint(labels.data[tuple(index[inside].T)]).astype(np.int64)
    found, counts = np.unique(values, return_counts=True)
    known = {0: NONE, **names}
    shares = {known.get(int(v), str(v)): n / len(values) for v, n in zip(found, counts, strict=True)}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def probable(contact: LocatedContact, maps: Mapping[str, Volume]) -> dict[str, float]:
    """Return the probability of every structure that a map (X, Y, Z), 0 … 1, is given of.

    Raises
    ------
    ShapeError
        A map is not 3-D.
    InputError
        The contact lies outside a map, or a map's values are no probabilities.
    """
    points, shares = cloud(contact), {}
    for name, volume in maps.items():
        index = volume.grid.voxel(points)
        _inside(contact, volume, np.rint(index).astype(int))
        if volume.data.min() < -1e-6 or volume.data.max() > 1 + 1e-6:
            raise InputError(
                f"the map of {name} holds values from {volume.data.min():g} to {volume.data.max():g}; give "
                "probabilities from 0 to 1"
            )
        shares[name] = float(map_coordinates(np.asarray(volume.data, np.float64), index.T, order=1).mean())
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def cloud(contact: LocatedContact) -> Points:
    """Return points (N, 3), RAS mm, spread as the contact's place is uncertain; the same ones every time."""
    uniform = qmc.Sobol(3, seed=0).random_base2(POINTS)
    root = np.linalg.cholesky(contact.covariance)
    spread: Points = contact.position + norm.ppf(np.clip(uniform, 1e-6, 1 - 1e-6)) @ root.T
    return spread


def _inside(contact: LocatedContact, volume: Volume, index: np.ndarray) -> np.ndarray:
    """Return which places of a cloud are in an image; refuse one that does not hold the contact."""
    if volume.data.ndim != 3:
        raise ShapeError(f"an image of structures has shape {volume.data.shape}; give one 3-D volume")
    inside: np.ndarray = np.all((index >= 0) & (index < volume.data.shape), axis=1)
    if inside.mean() < 0.5:
        raise InputError(
            f"contact {contact.name} at {np.round(contact.position, 1).tolist()} mm lies outside the image of "
            "structures; give the transform between the CT and that image"
        )
    return inside

"""Whose a voxel is: what the atlas expects there, what the voxel looks like, and what its neighbours are.

    q_k(x) ∝ π_k(x) · Π_c N(I_c(x); μ_ck, σ_ck²)^T · exp(β Σ_{y ∈ 6-neighbours} q_k(y) / 6)

by mean-field iteration; μ and σ are fitted anew from q. T < 1 counts voxels that err alike for less than they are.
The prior of a nucleus falls off as 1/(1 + exp(d_k/τ_k)) with the distance d_k from its surface in the deformed atlas,
which keeps the white matter between neighbours where it belongs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from qsmkit.arrays import BoolArray, FloatArray, IntArray

STRAY, RANGE = 0.05, 6.0
"""Share of voxels about the nuclei that look like none of the tissues (veins, calcification), and over how many
standard deviations of the image they spread."""


@dataclass(frozen=True, slots=True)
class Refinement:
    """How much the patient's images may change the deformed atlas (modelling choices, tuned on digital patients)."""

    temper: float = 0.4
    """Exponent T of the likelihood."""
    coupling: float = 1.5
    """Weight β of the neighbours."""
    reach: float = 3.0
    """Farthest from the deformed atlas's surface that a nucleus is looked for, mm."""
    rounds: int = 8
    """Iterations."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """Probabilities of the classes.

    Attributes
    ----------
    active : (X, Y, Z) bool array
        Voxels near a nucleus; elsewhere every nucleus has probability 0.
    q : (N, K + 3) float32 array
        Probability of each class (nuclei, then tissues) in the active voxels, in C order.
    means, deviations : mapping of str to (K + 3,) array
        Of each contrast, in its unit.
    """

    active: BoolArray
    q: FloatArray
    means: Mapping[str, FloatArray]
    deviations: Mapping[str, FloatArray]

    def map_of(self, k: int) -> FloatArray:
        """Return the (X, Y, Z) probability of one class."""
        volume = np.zeros(self.active.shape, np.float32)
        volume[self.active] = self.q[:, k]
        return volume


def refine(
    images: Mapping[str, FloatArray], distances: FloatArray, tissues: FloatArray, softness: FloatArray,
    inside: BoolArray, settings: Refinement,
) -> Posterior:
    """Return the probability of every class in the voxels near the nuclei.

    Parameters
    ----------
    images : mapping of str to (X, Y, Z) array
        Contrasts.
    distances : (K, X, Y, Z) array
        From the surfaces of the nuclei in the deformed atlas, mm.
    tissues : (3, X, Y, Z) array
        Shares of tissues in the deformed atlas.
    softness : (K,) array
        Fall-off τ of each nucleus's prior, mm.
    inside : (X, Y, Z) bool array
        Voxels with values.
    settings : Refinement
        How.
    """
    active = (distances.min(0) < settings.reach) & inside
    log_prior = _log_prior(distances[:, active], tissues[:, active], softness, settings.reach)
    neighbours = _neighbours(active)
    values = {name: image[active].astype(np.float64) for name, image in images.items()}
    q = _normalised(log_prior)
    means: dict[str, FloatArray] = {}
    deviations: dict[str, FloatArray] = {}
    for _ in range(settings.rounds):
        energy = log_prior.copy()
        for name, v in values.items():
            means[name], deviations[name] = _moments(v, q)
            energy += settings.temper * _log_likelihood(v, means[name], deviations[name], q.shape[1])
        padded = np.vstack([q, np.zeros((1, q.shape[1]), np.float32)])
        energy += settings.coupling / 6 * sum(padded[n] for n in neighbours)
        q = _normalised(energy)
    return Posterior(active, q, means, deviations)


def _log_prior(distances: FloatArray, tissues: FloatArray, softness: FloatArray, reach: float) -> FloatArray:
    nuclei = 1 / (1 + np.exp(np.clip(distances / softness[:, None], -30, 30)))
    nuclei[distances > reach] = 0
    outside = np.prod(1 - nuclei, axis=0)
    prior = np.concatenate([nuclei, (0.9 * tissues + 0.1 / 3) * outside]).T
    log: FloatArray = np.log(np.maximum(prior / prior.sum(1, keepdims=True), 1e-12)).astype(np.float32)
    return log


def _normalised(energy: FloatArray) -> FloatArray:
    q: FloatArray = np.exp(energy - energy.max(1, keepdims=True), dtype=np.float32)
    q /= q.sum(1, keepdims=True)
    return q


def _moments(values: FloatArray, q: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and SD of each class, weighted by its squared probability: sure voxels tell what it is like."""
    weight = q.astype(np.float64) ** 2
    total = weight.sum(0)
    overall, spread = values.mean(), values.std()
    few = 3.0
    means = (weight.T @ values + few * overall) / (total + few)
    variance = np.stack([w @ (values - m) ** 2 for w, m in zip(weight.T, means, strict=True)])
    sd = np.sqrt((variance + few * (0.5 * spread) ** 2) / (total + few))
    return means, np.maximum(sd, 0.15 * spread)


def _log_likelihood(values: FloatArray, means: FloatArray, sd: FloatArray, classes: int) -> FloatArray:
    log = -0.5 * ((values[:, None] - means) / sd) ** 2 - np.log(sd)
    stray = -np.log(RANGE * values.std())
    log[:, classes - 3 :] = np.logaddexp(np.log(1 - STRAY) + log[:, classes - 3 :], np.log(STRAY) + stray)
    return log.astype(np.float32)


def _neighbours(active: BoolArray) -> list[IntArray]:
    """Return, for each of six directions, the number of every active voxel's neighbour; the last number is none."""
    number = np.full(np.array(active.shape) + 2, int(active.sum()), np.int64)
    number[1:-1, 1:-1, 1:-1][active] = np.arange(int(active.sum()))
    shifted = (np.roll(number, step, axis) for axis in range(3) for step in (1, -1))
    return [s[1:-1, 1:-1, 1:-1][active] for s in shifted]


def largest_part(inside: BoolArray) -> BoolArray:
    """Return the largest 26-connected part of a mask."""
    parts, count = ndimage.label(inside, np.ones((3, 3, 3)))
    if count < 2:
        return inside
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    part: BoolArray = parts == sizes.argmax()
    return part

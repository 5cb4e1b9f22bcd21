"""Which model of lead a CT shows, and at what depth: a matched filter for each, then the voxels' likelihood.

    P(model | CT) ∝ exp(−(N/2c) (m − m₀)/m₀)

for the misfits m of models with equal priors, m₀ the least, N voxels of which c err alike. Models whose metal has the
same layout look the same in a CT: their probability is that of the group, shared equally, and the group is returned.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from qsmkit.clinical.leads.fit import Fit, fit, odds, site_of
from qsmkit.clinical.leads.slices import along
from qsmkit.errors import InputError
from qsmkit.leads.curve import Curve, Points
from qsmkit.leads.electrodes import Electrode, electrode, models
from qsmkit.volume import Volume

ALIKE_DIAMETER = 0.2
"""Leads whose diameters differ by less, mm, look alike in a CT."""

FINE = 0.1
"""Distance of the samples of a profile, mm."""

CORE = 1.0
"""Radius about the axis within which a profile is the mean CT number, mm."""

BLUR = 0.55
"""Standard deviation along the lead of a profile's blur, mm."""

BELOW = 4.0
"""How far below a lead its pattern begins, and below the track a lead may end, mm."""

SHAFT = 4.0
"""How much of the shaft above the topmost metal is compared, mm."""

WITHIN = 0.05
"""Models whose correlation with the profile is so much less than the best one's are out."""

ALIKE = 0.7
"""Least correlation of a lead's brightness with its model's."""

AT_MOST = 7
"""Models that are laid into the CT."""


@dataclass(frozen=True, eq=False)
class Profile:
    """Mean CT number about an axis.

    Attributes
    ----------
    s : (S,) array
        Arc lengths, mm.
    values : (S,) array
        HU.
    """

    s: Points
    values: Points


@dataclass(frozen=True, eq=False)
class Identified:
    """The model that explains a CT best.

    Attributes
    ----------
    fit : Fit
        The best model, laid into the CT.
    alike : tuple of str
        All models that a CT cannot tell from it, itself included.
    candidates : dict of str to float
        Probability of every model that was compared, most probable first.
    rival : str
        A model whose brightness along the lead fits clearly better than that of those asked for; empty if none does.
    opposite : float
        Likelihood of the best rotation that is more than 60° away, over that of the fit's: 0 if there is none.
    """

    fit: Fit
    alike: tuple[str, ...]
    candidates: dict[str, float]
    rival: str
    opposite: float


def layout(model: Electrode) -> tuple[object, ...]:
    """Return what of a model a CT shows: heights above its lowest metal, mm, segments, and whether it is thin."""
    zero = model.levels[0].bottom
    levels = tuple((round(v.bottom - zero, 2), round(v.length, 2), len(v.segments)) for v in model.levels)
    marker = model.marker and (round(model.marker.centre - zero, 2), model.marker.length, model.marker.kind)
    return levels, marker, model.tip_is_contact, round(model.diameter / ALIKE_DIAMETER / 2)


def groups(names: Iterable[str] | None = None) -> tuple[tuple[str, ...], ...]:
    """Return the models of the table, those together that a CT cannot tell apart."""
    found: dict[tuple[object, ...], list[str]] = {}
    for name in models() if names is None else names:
        found.setdefault(layout(electrode(name)), []).append(name)
    return tuple(map(tuple, found.values()))


def profile_of(ct: Volume, axis: Curve) -> Profile:
    """Return a CT's profile along an axis, from below its start to its end."""
    s = np.arange(-2 * BELOW, axis.length, FINE)
    cut = along(ct, axis, s, width=CORE, step=0.25)
    disc = np.hypot(cut.offset[:, None], cut.offset[None]) <= CORE
    return Profile(s, np.asarray(cut.values[disc].mean(0), np.float64))


def top_of(profile: Profile) -> float:
    """Return the arc length of the topmost contact's or marker's upper end, roughly, mm."""
    length = float(profile.s[-1])
    shaft = float(np.median(profile.values[profile.s > length - max(8.0, 0.2 * length)]))
    limit = shaft + 0.35 * (float(np.percentile(profile.values, 98)) - shaft)
    bright = profile.s[profile.values > limit]
    return float(bright[-1])


def correlate(profile: Profile, model: Electrode) -> tuple[float, float]:
    """Return the best correlation of a model's profile with a CT's, and the lead's end there (arc length, mm)."""
    height = model.height + SHAFT
    if height > profile.s[-1]:
        return -1.0, 0.0
    s = np.arange(-BELOW, height, FINE)
    metal = np.where(s > model.tip * (not model.tip_is_contact), 0.25, 0.0)
    for level in model.levels:
        metal += (s >= level.bottom) & (s < level.top)
    for band in model.marker.bands() if model.marker else ():
        metal += (s >= band.bottom) & (s < band.top)
    pattern = gaussian_filter1d(metal, BLUR / FINE)
    windows = np.lib.stride_tricks.sliding_window_view(profile.values, len(s))
    shift = profile.s[: len(windows)] + BELOW
    near = shift < BELOW
    windows = windows[near] - windows[near].mean(1, keepdims=True)
    pattern = pattern - pattern.mean()
    r = windows @ pattern / np.maximum(np.linalg.norm(windows, axis=1) * np.linalg.norm(pattern), 1e-9)
    best = int(r.argmax())
    return float(r[best]), float(shift[near][best])


def identify(ct: Volume, axis: Curve, ceiling: float, names: Sequence[str] | None = None) -> Identified:
    """Find the model that a CT shows.

    Parameters
    ----------
    ct : Volume
        HU.
    axis : Curve
        Of the lead, from the lowest metal upwards, RAS mm.
    ceiling : float
        CT number that the scanner cuts off at, HU.
    names : sequence of str, optional
        Models to choose from; all of the table if omitted.

    Raises
    ------
    InputError
        The track is too short for every model, or its brightness along the axis is that of none.
    """
    profile = profile_of(ct, axis)
    top = top_of(profile)
    scores = {group: correlate(profile, electrode(group[0])) for group in groups(names)}
    best = max(r for r, _ in scores.values())
    if best < 0:
        least = min(electrode(g[0]).height for g in scores) + SHAFT
        raise InputError(
            f"{axis.length:.0f} mm of the lead are in the brain of this CT, but {least:.0f} mm are needed to find its "
            "contacts; give a CT that holds the whole lead, or another model"
        )
    if best < ALIKE:
        raise InputError(
            f"metal that rises from {np.round(axis.at(0.0), 1).tolist()} mm over {axis.length:.0f} mm is no lead that "
            f"is known: its brightness correlates with no model's better than {best:.2f} ({ALIKE} is asked for); "
            "is it another implant, or a lead that is not in the table?"
        )
    short = sorted((g for g, (r, _) in scores.items() if r > best - WITHIN), key=lambda g: -scores[g][0])[:AT_MOST]
    end = max([top, *(scores[g][1] + electrode(g[0]).height for g in short)]) + SHAFT
    site = site_of(ct, axis, min(end, axis.length - 1.0), ceiling)
    laid = {g: fit(site, electrode(g[0]), scores[g][1], quick=len(short) > 1) for g in short}
    least = min(f.misfit for f in laid.values())
    share = {g: odds(f.misfit, least, f.voxels) for g, f in laid.items()}
    whole = sum(share.values())
    order = sorted(share.items(), key=lambda item: -item[1])
    candidates = {name: p / whole / len(group) for group, p in order for name in group}
    winner = order[0][0]
    first = laid[winner]
    depth = float(first.parameters[0])
    site = site_of(ct, axis, min(depth + first.model.height + SHAFT, axis.length - 1.0), ceiling)
    final = fit(site, first.model, depth, first.rotation)
    opposite = 0.0
    if first.model.directional:
        other = fit(site, first.model, depth, final.rotation + np.pi)
        if abs(np.angle(np.exp(1j * (other.rotation - final.rotation)))) > np.pi / 3:
            final, other = sorted((final, other), key=lambda f: f.misfit)
            opposite = odds(other.misfit, final.misfit, final.voxels)
    others = {} if names is None else {g[0]: correlate(profile, electrode(g[0]))[0] for g in groups()}
    rival = max(others, key=lambda n: others[n], default="")
    clear = bool(rival) and others[rival] > best + WITHIN
    return Identified(final, winner, candidates, rival if clear else "", opposite)

"""Phase to susceptibility: every method, flat, one a file below."""

from qsmkit.recon.background.extended_resharp import extended_resharp
from qsmkit.recon.background.harperella import harperella
from qsmkit.recon.background.iharperella import iharperella
from qsmkit.recon.background.ismv import ismv
from qsmkit.recon.background.lbv import lbv
from qsmkit.recon.background.msmv import msmv
from qsmkit.recon.background.pdf import pdf
from qsmkit.recon.background.resharp import resharp
from qsmkit.recon.background.revsharp import revsharp
from qsmkit.recon.background.sdf import sdf
from qsmkit.recon.background.sharp import sharp
from qsmkit.recon.background.vsharp import vsharp
from qsmkit.recon.field.bipolar import bipolar
from qsmkit.recon.field.combine_coils import combine_coils
from qsmkit.recon.field.mcpc3ds import mcpc3ds
from qsmkit.recon.field.nonlinear_fit import nonlinear_fit
from qsmkit.recon.field.phase_residues import phase_residues
from qsmkit.recon.field.single_echo import single_echo
from qsmkit.recon.field.voxel_average import voxel_average
from qsmkit.recon.field.weighted_fit import weighted_fit
from qsmkit.recon.inversion.cosmos import cosmos
from qsmkit.recon.inversion.fansi import fansi
from qsmkit.recon.inversion.hdqsm import hdqsm
from qsmkit.recon.inversion.ilsqr import ilsqr
from qsmkit.recon.inversion.l1qsm import l1qsm
from qsmkit.recon.inversion.medi import medi
from qsmkit.recon.inversion.ndi import ndi
from qsmkit.recon.inversion.qsmart import qsmart
from qsmkit.recon.inversion.rts import rts
from qsmkit.recon.inversion.star import star
from qsmkit.recon.inversion.tfi import tfi
from qsmkit.recon.inversion.tgv import tgv
from qsmkit.recon.inversion.tikhonov import tikhonov
from qsmkit.recon.inversion.tkd import tkd
from qsmkit.recon.inversion.tsvd import tsvd
from qsmkit.recon.inversion.tv import tv
from qsmkit.recon.inversion.weak_harmonic import weak_harmonic
from qsmkit.recon.mask.bet import bet
from qsmkit.recon.mask.magnitude import threshold_mask
from qsmkit.recon.mask.morphology import close, dilate, erode, fill_holes, largest_component
from qsmkit.recon.mask.phase_mask import quality_mask
from qsmkit.recon.mask.quality import romeo_quality
from qsmkit.recon.mask.trim import trim
from qsmkit.recon.mask.vessels import vessels
from qsmkit.recon.referencing import reference_brain, reference_csf, reference_region
from qsmkit.recon.relaxometry import arlo, r2star_nonlinear
from qsmkit.recon.separation.chi_separation import chi_separation
from qsmkit.recon.separation.closed_form import chi_separation_closed
from qsmkit.recon.separation.r2prime import r2prime
from qsmkit.recon.separation.r2star_qsm import r2star_qsm
from qsmkit.recon.uncertainty.linear import linear_sd
from qsmkit.recon.unwrap.laplacian import laplacian
from qsmkit.recon.unwrap.romeo import romeo
from qsmkit.recon.weighting.clear_swi import clear_swi
from qsmkit.recon.weighting.minip import minip
from qsmkit.recon.weighting.smwi import smwi
from qsmkit.recon.weighting.swi import swi
from qsmkit.recon.weighting.tswi import tswi

__all__ = [
    "arlo",
    "bet",
    "bipolar",
    "chi_separation",
    "chi_separation_closed",
    "clear_swi",
    "close",
    "combine_coils",
    "cosmos",
    "dilate",
    "erode",
    "extended_resharp",
    "fansi",
    "fill_holes",
    "harperella",
    "hdqsm",
    "iharperella",
    "ilsqr",
    "ismv",
    "l1qsm",
    "laplacian",
    "largest_component",
    "lbv",
    "linear_sd",
    "mcpc3ds",
    "medi",
    "minip",
    "msmv",
    "ndi",
    "nonlinear_fit",
    "pdf",
    "phase_residues",
    "qsmart",
    "quality_mask",
    "r2prime",
    "r2star_nonlinear",
    "r2star_qsm",
    "reference_brain",
    "reference_csf",
    "reference_region",
    "resharp",
    "revsharp",
    "romeo",
    "romeo_quality",
    "rts",
    "sdf",
    "sharp",
    "single_echo",
    "smwi",
    "star",
    "swi",
    "tfi",
    "tgv",
    "threshold_mask",
    "tikhonov",
    "tkd",
    "trim",
    "tsvd",
    "tswi",
    "tv",
    "vessels",
    "voxel_average",
    "vsharp",
    "weak_harmonic",
    "weighted_fit",
]

"""Errors and warnings.

Every message says, in one line, the value that was met, what is wrong with it, and what to do. The library raises;
only `qsmkit.app` catches.
"""


class QsmkitError(Exception):
    """Base of all errors that qsmkit raises on purpose."""


class InputError(QsmkitError, ValueError):
    """An argument, array or file is not what it must be."""


class ShapeError(InputError):
    """Arrays disagree in shape, or have the wrong number of dimensions."""


class GeometryError(InputError):
    """An affine is unusable, or two volumes do not lie in the same space."""


class ScaleError(InputError):
    """The unit or scale of a volume cannot be decided from the evidence."""


class MetadataError(InputError):
    """A needed key (echo time, field strength, …) is missing or makes no sense."""


class MaskError(InputError):
    """A mask is empty, or leaves nothing to work on."""


class ParameterError(InputError):
    """A method's parameter is unknown, of the wrong type, or out of range."""


class RecipeError(InputError):
    """A recipe cannot be read, or its steps do not fit together."""


class ScenarioError(InputError):
    """The description of a digital patient cannot be read, or contradicts itself."""


class OutputError(QsmkitError, OSError):
    """A result cannot be written where it was asked for."""


class MissingExtraError(QsmkitError, ImportError):
    """An optional dependency is not installed."""


class ConvergenceWarning(UserWarning):
    """An iterative solver stopped before its criterion was met."""


class DataWarning(UserWarning):
    """The data are usable, but something about them should be known to whoever reads the result."""


class ContradictionWarning(DataWarning):
    """Two sources of one fact disagree; one was followed, and a person should look which is right."""

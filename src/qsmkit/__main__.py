"""The command `qsmkit`."""

import sys

from qsmkit.errors import QsmkitError


def main() -> None:
    """Run the command line and leave with its exit status."""
    try:
        from qsmkit.app.cli.main import run
    except QsmkitError as error:  # the environment asks for what cannot be
        sys.exit(f"qsmkit: {error}")
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()

"""The entry point: runs the command line and turns errors into exit codes."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `deploykit`; exit codes stand in `core/errors.py`."""
    from deploykit.cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()

"""Compare a board's dump with a reference: `deploykit diff` from a checkout that is not installed."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from deploykit.align.main import main  # the path above is where it is found

if __name__ == "__main__":
    sys.exit(main())

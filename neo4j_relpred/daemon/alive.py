"""Looks how the daemon is: `python -m neo4j_relpred.daemon.alive HOME`, for the health of a container.

Ends with 0 when it is well; otherwise with 1, and says why.
"""

from __future__ import annotations

import sys
from pathlib import Path

from neo4j_relpred.data.daemon_state import problem_of

if __name__ == "__main__":
    sys.exit(problem_of(Path(sys.argv[1] if len(sys.argv) > 1 else ".relpred")))

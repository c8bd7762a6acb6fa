"""`python -m kinote.scp.receiving CONTROL PARENT`: a receiver process, started by the main process only."""

from __future__ import annotations

import sys

from kinote.scp.receiving.process import run

if __name__ == "__main__":
    run(int(sys.argv[1]), int(sys.argv[2]))

"""`python -m kinote.decoding CONTROL PARENT`: the process that forks decoding processes."""

from __future__ import annotations

import sys

from kinote.decoding.forking import run

if __name__ == "__main__":
    run(int(sys.argv[1]), int(sys.argv[2]))

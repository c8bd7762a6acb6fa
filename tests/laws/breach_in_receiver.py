"""A receiver process that breaks law 6 on purpose: it does not sync the files that it receives."""

from __future__ import annotations

import sys

from kinote.scp.receiving.process import run
from tests.laws.breach_of_law_6 import data_is_not_synced

if __name__ == "__main__":
    data_is_not_synced()
    run(int(sys.argv[1]), int(sys.argv[2]))

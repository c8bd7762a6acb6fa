"""When a flow of bytes is too slow."""

from __future__ import annotations

import pytest

from kinote.web.connections.pace import Pace

#: Looks at a flow that has to bring 100 bytes in 10 seconds: (seconds, bytes in all so far, None where nobody waits),
#: and the moment at which it was too slow.
CASES: dict[str, tuple[list[tuple[float, int | None]], float | None]] = {
    "nothing comes": ([(0, 0), (5, 0), (10, 0), (11, 0)], 11),
    "just enough": ([(0, 0), (10, 100), (20, 200), (30, 300)], None),
    "too little": ([(0, 0), (10, 100), (19, 150), (21, 199)], 21),
    "much at once does not pay for what comes later": ([(0, 0), (1, 10_000), (5, 10_000), (12, 10_050)], 12),
    "nobody waits": ([(0, 0), (9, None), (30, None), (31, 0), (41, 0)], None),
    "nobody has waited for a while": ([(0, 0), (9, None), (10, 0), (21, 0)], 21),
}


@pytest.mark.parametrize("case", CASES)
def test_a_flow_in_which(case: str) -> None:
    looks, too_slow_at = CASES[case]
    pace = Pace(10, 100)
    found = None
    for now, flowed in looks:
        if flowed is None:
            pace.rest()
        elif pace.is_too_slow(now, flowed):
            found = now
            break
    assert found == too_slow_at

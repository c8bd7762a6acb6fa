"""The forking process with a codec that does what the frame says: for tests of what happens then."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinote.decoding import codecs, forking
from kinote.decoding.messages import FrameRequest

_KEPT: list[NDArray[Any]] = []


class Panic(BaseException):
    """Passes every `except Exception`, as the panics of Rust do."""


def _decode(data: bytes, _request: FrameRequest, samples: NDArray[Any]) -> None:
    match data.rstrip(b"\0").decode():
        case "hang":
            while True:
                pass
        case "sleep":
            time.sleep(3600)
        case "exit":
            os._exit(7)
        case "panic":
            raise Panic
        case "segfault":
            ctypes.string_at(0)
        case "abort":
            os.abort()
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "memory":
            np.ones(1 << 32, np.uint8)
        case "leak":
            _KEPT.append(np.ones(300 << 20, np.uint8))
            samples[...] = 6
        case "nothing":
            return
        case "error":
            raise ValueError("a bad \n frame \x1b[31m" + "x" * 5000)
        case "nonsense":
            for descriptor in range(3, 20):
                try:
                    os.write(descriptor, b"\xff" * 100)
                except OSError:
                    continue
        case "write":
            with open("/tmp/kinote-written-by-a-codec", "wb") as file:  # noqa: PTH123
                file.write(b"x")
        case _:
            samples[...] = data[0]


if __name__ == "__main__":
    vars(codecs).update(decode=_decode)
    forking.run(int(sys.argv[1]), int(sys.argv[2]))

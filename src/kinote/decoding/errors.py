"""Why a frame was not decoded."""

from __future__ import annotations

from kinote.dicom.pixels.pixel_format import PictureError


class DecodingUnavailableError(PictureError):
    """No process could decode the frame in time, or none could be started: nothing is said about the frame."""


class DecodingCancelledError(PictureError):
    """Who asked for the frame has gone."""


class FrameError(Exception):
    """A frame that could not be decoded. The message says why, and ends a sentence."""

    #: As in the metric `kinote_decoding_seconds`.
    outcome = "damaged"


class OverrunError(FrameError):
    """Decoding took more time or memory than a frame may take, or has ended the process that did it."""

    def __init__(self, reason: str, outcome: str) -> None:
        super().__init__(reason)
        self.outcome = outcome


class KilledError(OverrunError):
    """The process was killed by somebody else: perhaps for want of memory, perhaps for no fault of the frame."""

    def __init__(self) -> None:
        super().__init__("its decoder was killed from outside, perhaps for want of memory", "crashed")

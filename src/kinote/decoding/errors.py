"""Errors of decoding."""

from __future__ import annotations

from kinote.dicom.pixels.pixel_format import PictureError


class DecodingUnavailableError(PictureError):
    """No process was free in time, or none could be started. This does not mean that the frame is damaged."""


class DecodingCancelledError(PictureError):
    """The client that requested the frame has disconnected."""


class FrameError(Exception):
    """A frame could not be decoded. The message is the end of a sentence and says why."""

    #: A label of the metric `kinote_decoding_seconds`.
    outcome = "damaged"


class OverrunError(FrameError):
    """Decoding exceeded the limit of time or memory, or crashed the process."""

    def __init__(self, reason: str, outcome: str) -> None:
        super().__init__(reason)
        self.outcome = outcome


class KilledError(OverrunError):
    """The process was killed from outside, perhaps because the machine ran out of memory, not because of the frame."""

    def __init__(self) -> None:
        super().__init__("its decoder was killed from outside, perhaps for lack of memory", "crashed")

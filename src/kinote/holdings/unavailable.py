"""Errors that say why an object's bytes are not available: one class for each reason. The message says what to do."""

from __future__ import annotations


class NotLiveError(LookupError):
    """The object is not in use: it was withdrawn after it had been found, or its rows are gone."""

    def __init__(self, sop_instance_uid: str) -> None:
        super().__init__(f"The instance {sop_instance_uid} has been withdrawn meanwhile.")


class BytesUnavailableError(OSError):
    """The object is in use, but its bytes are not available."""

    #: The problem, short enough for a DICOM Error Comment; and what to do.
    _said = "The bytes cannot be had"
    _advice = ""

    def __init__(self, sop_instance_uid: str, advice: str = "") -> None:
        # A single argument: OSError takes two for an error number and its text.
        super().__init__(f"{self._said}: instance {sop_instance_uid}. {advice or self._advice}".rstrip())


class BytesDamagedError(BytesUnavailableError):
    """The stored bytes are not the ones received (residence `damaged`)."""

    _said = "The stored bytes are damaged and are not sent"
    _advice = "Send the same object to Kinote again, which heals it."


class BytesGoneError(BytesUnavailableError):
    """The bytes are not kept anywhere (residence `none`)."""

    _said = "The bytes are not kept any more"


class BytesElsewhereError(BytesUnavailableError):
    """Another system has the bytes, and they cannot be recalled (residence `remote`)."""

    _said = "The bytes are at another system, not to be recalled"
    _advice = "Retrieve it there."


class RecallFailedError(BytesUnavailableError):
    """An archive has the bytes but does not return them now (residence `remote`)."""

    _said = "The bytes are at an archive and do not come back now"


class BytesNotMadeError(BytesUnavailableError):
    """The bytes have not been made, and cannot be made here (residence `derivable`)."""

    _said = "The bytes have not been made yet, nor can they be here"


class NotCorrectableError(BytesUnavailableError):
    """The corrections cannot be applied to the object. It does not go out without them."""

    _said = "The corrections cannot be laid over it"

    def __init__(self, sop_instance_uid: str, reason: object) -> None:
        super().__init__(sop_instance_uid, f"{str(reason).rstrip('.')}.")


class StoreUnreachableError(BytesUnavailableError):
    """The bytes cannot be read now because the store does not answer. This says nothing about the bytes."""

    _said = "The stored bytes cannot be read now"

    def __init__(self, sop_instance_uid: str, reason: object) -> None:
        super().__init__(
            sop_instance_uid,
            f"{str(reason).rstrip('.')}. See that the volume of the data directory is mounted and sound, and try "
            "again.",
        )

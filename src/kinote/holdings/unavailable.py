"""Why an object's bytes cannot be had: each reason is an error of its own, whose message says what to do."""

from __future__ import annotations


class NotLiveError(LookupError):
    """The object is not in use: it was withdrawn after it had been found, or its rows are gone."""

    def __init__(self, sop_instance_uid: str) -> None:
        super().__init__(f"The instance {sop_instance_uid} has been withdrawn meanwhile.")


class BytesUnavailableError(OSError):
    """The object is in use, and its bytes cannot be had."""

    #: What is the matter, in the few characters that an error comment of DICOM has; and what to do.
    _said = "The bytes cannot be had"
    _advice = ""

    def __init__(self, sop_instance_uid: str, advice: str = "") -> None:
        # One argument: of two, OSError would make an error number and its text.
        super().__init__(f"{self._said}: instance {sop_instance_uid}. {advice or self._advice}".rstrip())


class BytesDamagedError(BytesUnavailableError):
    """What is stored is not what was received (residence `damaged`)."""

    _said = "The stored bytes are damaged and are not sent"
    _advice = "Send the same object to Kinote again, which heals it."


class BytesGoneError(BytesUnavailableError):
    """They are kept nowhere (residence `none`)."""

    _said = "The bytes are not kept any more"


class BytesElsewhereError(BytesUnavailableError):
    """Another system has them, and they cannot be recalled (residence `remote`)."""

    _said = "The bytes are at another system, not to be recalled"
    _advice = "Retrieve it there."


class RecallFailedError(BytesUnavailableError):
    """An archive has them, and does not give them back now (residence `remote`)."""

    _said = "The bytes are at an archive and do not come back now"


class BytesNotMadeError(BytesUnavailableError):
    """They have not been made, and cannot be made here (residence `derivable`)."""

    _said = "The bytes have not been made yet, nor can they be here"


class NotCorrectableError(BytesUnavailableError):
    """Its corrections cannot be laid over it, and without them it does not go out."""

    _said = "The corrections cannot be laid over it"

    def __init__(self, sop_instance_uid: str, reason: object) -> None:
        super().__init__(sop_instance_uid, f"{str(reason).rstrip('.')}.")


class StoreUnreachableError(BytesUnavailableError):
    """They cannot be read now, which says nothing about them: the store does not answer."""

    _said = "The stored bytes cannot be read now"

    def __init__(self, sop_instance_uid: str, reason: object) -> None:
        super().__init__(
            sop_instance_uid,
            f"{str(reason).rstrip('.')}. See that the volume of the data directory is mounted and sound, and try "
            "again.",
        )

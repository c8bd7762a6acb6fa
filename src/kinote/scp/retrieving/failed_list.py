"""The data set of a retrieval's final response: what could not be sent (PS3.4 C.4.2.1.3, C.4.3.1.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.transfer_syntaxes import lookup
from kinote.dicom.json.to_elements import ElementEncoder
from kinote.scp.queries.find_answers import deflated

#: The longest list in bytes: in explicit VR its length has 16 bits, and is even.
_LONGEST = 0xFFFE


def failed_list(sop_instance_uids: Sequence[str], transfer_syntax_uid: str) -> bytes:
    """Return the Failed SOP Instance UID List (0008,0058), with only the first UIDs if they do not fit."""
    encoder = ElementEncoder(transfer_syntax_uid, "ascii")
    data = encoder.text(tags.FAILED_SOP_INSTANCE_UID_LIST, "\\".join(_first(sop_instance_uids)))
    return deflated(data) if lookup(transfer_syntax_uid).deflated else data


def _first(uids: Sequence[str]) -> Iterator[str]:
    """Yield as many of them as fit into one value, with the delimiters."""
    left = _LONGEST + 1
    for uid in uids:
        left -= len(uid) + 1
        if left < 0:
            return
        yield uid

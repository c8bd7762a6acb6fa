"""The data set of a retrieval's last answer: what could not be sent (PS3.4 C.4.2.1.3, C.4.3.1.3)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.transfer_syntaxes import lookup
from kinote.dicom.json.to_elements import ElementEncoder

#: UIDs in the list at most: in explicit VR its length has 16 bits.
_MOST = 1000


def failed_list(sop_instance_uids: Sequence[str], transfer_syntax_uid: str) -> bytes:
    """Failed SOP Instance UID List (0008,0058); of very many failures the first."""
    encoder = ElementEncoder(transfer_syntax_uid, "ascii")
    data = encoder.text(tags.FAILED_SOP_INSTANCE_UID_LIST, "\\".join(sop_instance_uids[:_MOST]))
    if not lookup(transfer_syntax_uid).deflated:
        return data
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush()

"""What the reader makes of a document is the same for as long as its version stands.

Where a digest changes because a document is understood otherwise than before, raise `reader.VERSION` and write the new
digest down under it: `kinote doctor` reads again then what older readers have read.
"""

from __future__ import annotations

import hashlib

from kinote.keyobject import reader
from tests.keyobject.variants.table import VARIANTS

#: Of what is understood of all variants, by the version of the reader.
UNDERSTOOD = {2: "cad9eb3a7bbad28df64f7febdfd2e39d057d4d810fc601fc4b11c17e3e3e5c41"}


def test_the_version_tells_readers_apart() -> None:
    digest = hashlib.sha256()
    for variant in VARIANTS:
        reading = variant.reading()
        said = (
            reading.registration,
            sorted({each.code for each in reading.findings}),
            reading.title,
            reading.modifiers,
            reading.descriptions,
            reading.language,
            reading.observers,
            reading.references,
            reading.identical_documents,
            reading.requests,
        )
        digest.update(repr((variant.id, said)).encode())
    assert digest.hexdigest() == UNDERSTOOD[reader.VERSION]

"""A day in the product that leaves something of every kind behind: what breaches of the laws are tried on."""

from __future__ import annotations

from tests.laws.acts import Acts, Asked
from tests.laws.arrivals import (
    FIRST,
    FRAMES,
    LARGE,
    NO_PIXELS,
    OTHER,
    SECOND,
    STUDIES,
    Image,
    KeyObject,
    flag,
    image_uid,
)

#: An image in a file, one in the index, and documents nobody can understand: one is live, one withdrawn.
IN_A_FILE, IN_THE_INDEX = image_uid(FIRST, LARGE), image_uid(FIRST, NO_PIXELS)
UNCLEAR, WITHDRAWN_UNCLEAR = KeyObject(FIRST, 3, (), broken=True), KeyObject(FIRST, 4, (), broken=True)

#: An image that is withdrawn while all others of its study are live, and one withdrawn and restored.
WITHDRAWN, RESTORED = image_uid(FIRST, FRAMES), image_uid(FIRST, 2)

#: What one note flags that is withdrawn with its documents, and one that is revised.
OF_A_WITHDRAWN_NOTE, OF_A_REVISED_NOTE = image_uid(FIRST, 1), image_uid(SECOND, 1)


def a_day(acts: Acts) -> None:
    """Things come in, are marked, revised, withdrawn, restored and held."""
    acts.receive(*(Image(FIRST, number) for number in (1, 2, LARGE, FRAMES, NO_PIXELS)))
    acts.receive(*(Image(study, 1) for study in STUDIES if study != FIRST))
    acts.receive(Image(FIRST, 1, content=1))
    acts.receive(Image(FIRST, NO_PIXELS, implicit=True))
    acts.receive(KeyObject(FIRST, 1, (flag(IN_A_FILE),), text="from elsewhere"))
    acts.receive(KeyObject(OTHER, 1, (flag(image_uid(OTHER, 1)), flag(RESTORED)), text="of another"))
    acts.receive(UNCLEAR, WITHDRAWN_UNCLEAR)
    kept = acts.make(Asked((OF_A_REVISED_NOTE, IN_A_FILE), "右肺"))
    gone = acts.make(Asked((OF_A_WITHDRAWN_NOTE,), "Nodule"))
    assert kept is not None
    assert gone is not None
    acts.revise(kept, Asked((OF_A_REVISED_NOTE,), "Changed"))
    acts.withdraw_note(gone)
    acts.withdraw(RESTORED)
    acts.undo(max(acts.withdrawal_keys))
    acts.withdraw(WITHDRAWN)
    acts.withdraw(WITHDRAWN_UNCLEAR.uid, image_uid(SECOND, 2))

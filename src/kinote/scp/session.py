"""An association that is being served: what its performers need, and what is told of it at its end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from kinote.dimse.acceptor import Caller
from kinote.dimse.association import Association
from kinote.scp.rooms import Rooms

#: Characters of an Error Comment (0000,0902), whose VR is LO.
_LONGEST_COMMENT = 64


@dataclass(slots=True)
class Session:
    """An association, who has opened it, and what has been done on it so far.

    `done` counts operations by service and what became of them, e.g. ("store", "stored").
    """

    rooms: Rooms
    association: Association
    caller: Caller
    done: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def calling_ae_title(self) -> str:
        return self.association.request.calling_ae_title

    @property
    def called_ae_title(self) -> str:
        return self.association.request.called_ae_title


def comment(text: str) -> str:
    """A text as error comment: what does not fit into one is cut, the whole stands in the log."""
    return text if len(text) <= _LONGEST_COMMENT else f"{text[: _LONGEST_COMMENT - 3]}..."

"""A receiver that ends its associations while more is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.transport import ThreadedAssociationServer

from kinote.dimse.entity import ApplicationEntity
from tests.dimse.both_ends import EXPLICIT
from tests.dimse.ends import CT


@contextmanager
def taking_of_each_association(most: int) -> Iterator[tuple[ApplicationEntity, list[str]]]:
    """A receiver that aborts each association at the object after so many, with the UIDs of those it has taken."""
    taken: list[str] = []
    taken_of: Counter[int] = Counter()

    def store(event: evt.Event) -> int:
        assert isinstance(event.request, C_STORE)
        taken_of[id(event.assoc)] += 1
        if taken_of[id(event.assoc)] > most:
            event.assoc.abort()
        else:
            taken.append(str(event.request.AffectedSOPInstanceUID))
            kept.append(event.assoc)
        return 0

    # Their ids are not given to others.
    kept: list[object] = []
    entity = AE("PROVIDER")
    entity.add_supported_context(CT, EXPLICIT)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    assert isinstance(server, ThreadedAssociationServer)
    try:
        yield ApplicationEntity("PROVIDER", *server.server_address), taken
    finally:
        server.shutdown()

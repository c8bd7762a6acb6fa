"""User identities of associations (PS3.7 D.3.3.7), named by pynetdicom: what they allow, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.pdu import A_ASSOCIATE_RJ
from pynetdicom.pdu_primitives import UserIdentityNegotiation

from kinote.dimse.associations.acceptor import Caller
from kinote.dimse.invoking import VERIFICATION
from kinote.dimse.protocol.user_information import UserIdentity
from kinote.scp.associations.user_identity import Users
from kinote.scp.options import UserIdentities
from kinote.security.audit.search import TrailSearch, search_trail
from kinote.security.audit.trail import AuditTrail
from kinote.security.roles import RoleName
from kinote.security.sign_in.identifying import SignIn
from kinote.security.sign_in.slowing_down import SlowingDown
from kinote.security.sign_in.users import add_user
from tests.clock import clock
from tests.scp.face import OPTIONS, Face, face
from tests.web.objects import CT, image
from tests.web.signed_in import CHEAP, PASSWORD

LOGIN = "rhea"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    with face(tmp_path_factory.mktemp("identity") / "data") as opened:
        catalog = opened.rooms.catalog
        encoded = CHEAP.encode(PASSWORD)
        for login, role in ((LOGIN, RoleName.READER), ("modality", RoleName.SYSTEM)):
            catalog.write(
                partial(add_user, login=login, full_name="", roles=[role], encoded=encoded, now=clock())
            )
        yield opened


@contextmanager
def asking(product: Face, handling: UserIdentities) -> Iterator[AuditTrail]:
    """The face while it handles user identities so, with a trail of its own and nobody slowed down."""
    before, trail = product.server._rooms, AuditTrail(product.rooms.catalog, clock)
    sign_in = SignIn(
        product.rooms.catalog,
        clock,
        session_lasts=timedelta(hours=1),
        passwords=CHEAP,
        slowing_down=SlowingDown(),
    )
    options = replace(OPTIONS, user_identity=handling)
    product.server._rooms = replace(before, options=options, trail=trail, sign_in=sign_in)
    users, product.server._users = product.server._users, Users(handling, sign_in, lambda: trail)
    try:
        yield trail
    finally:
        product.server._rooms, product.server._users = before, users


def named(
    kind: int, primary: bytes, secondary: bytes = b"", *, asks: bool = False
) -> UserIdentityNegotiation:
    item = UserIdentityNegotiation()
    item.user_identity_type = kind
    item.primary_field = primary
    if kind == 2:
        item.secondary_field = secondary
    item.positive_response_requested = asks
    return item


@contextmanager
def association(
    product: Face,
    identity: UserIdentityNegotiation | None,
    received: Callable[[evt.Event], None] | None = None,
) -> Iterator[Any]:
    """An association of pynetdicom's; `received` is called with each PDU that it gets."""
    ae = AE(ae_title="STATION")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    ae.add_requested_context(VERIFICATION)
    ae.add_requested_context(CT)
    opened = ae.associate(
        product.host,
        product.port,
        ae_title="KINOTE",
        ext_neg=[identity] if identity else [],
        evt_handlers=[(evt.EVT_PDU_RECV, received)] if received else None,
    )
    try:
        yield opened
    finally:
        if opened.is_established:
            opened.release()


def _stored(opened: Any, number: int) -> int:
    """Store an image; return the status."""
    sent = image(number)
    sent.file_meta = FileMetaDataset()
    sent.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return int(opened.send_c_store(sent).Status)


def is_taken(product: Face, identity: UserIdentityNegotiation | None) -> bool:
    with association(product, identity) as opened:
        return bool(opened.is_established)


def found(product: Face, trail: AuditTrail) -> list[tuple[str, str, str, dict[str, Any]]]:
    trail.flush()
    with product.rooms.catalog.read() as connection:
        rows = search_trail(connection, TrailSearch(), before=None, limit=100)
    return [(each["event"], each["outcome"], each["by"]["name"], each["detail"]) for each in rows]


RIGHT = named(2, LOGIN.encode(), PASSWORD.encode())
WRONG = named(2, LOGIN.encode(), b"another password")
NOBODY = named(2, b"nobody", PASSWORD.encode())
NAME = named(1, LOGIN.encode())

CASES = {
    "none": (None, {"ignored": True, "accepted": True, "required": False}),
    "name": (NAME, {"ignored": True, "accepted": True, "required": False}),
    "right passcode": (RIGHT, {"ignored": True, "accepted": True, "required": True}),
    "wrong passcode": (WRONG, {"ignored": True, "accepted": False, "required": False}),
    "unknown user": (NOBODY, {"ignored": True, "accepted": False, "required": False}),
    "no text": (named(2, b"\xff\xfe", b"\xff"), {"ignored": True, "accepted": False, "required": False}),
    "Kerberos": (named(3, b"ticket"), {"ignored": True, "accepted": False, "required": False}),
    "SAML": (named(4, b"<Assertion/>"), {"ignored": True, "accepted": False, "required": False}),
    "JWT": (named(5, b"a.b.c"), {"ignored": True, "accepted": False, "required": False}),
}


@pytest.mark.parametrize("handling", UserIdentities)
@pytest.mark.parametrize("case", CASES)
def test_who_is_let_in(product: Face, case: str, handling: UserIdentities) -> None:
    identity, expected = CASES[case]
    with asking(product, handling):
        assert is_taken(product, identity) is expected[handling]


def test_a_user_gets_an_answer_and_is_in_the_trail_with_what_it_does(product: Face) -> None:
    with (
        asking(product, UserIdentities.ACCEPTED) as trail,
        association(product, named(2, b"Rhea", PASSWORD.encode(), asks=True)) as opened,
    ):
        answer = opened.acceptor.user_identity
        assert answer is not None and not answer.server_response
        assert opened.send_c_echo().Status == 0
        # A reader has no right to store, whatever the peer may do.
        assert _stored(opened, 3) == 0x0124
        entries = found(product, trail)
    detail = {"peer": "STATION", "service": "association"}
    assert ("sign-in", "success", LOGIN, detail) in entries
    assert ("refused", "refused", LOGIN, {"peer": "STATION", "service": "C-STORE"}) in entries


def test_a_user_adds_its_rights_to_none_of_the_peer_and_a_name_alone_changes_nothing(product: Face) -> None:
    with asking(product, UserIdentities.ACCEPTED):
        with association(product, named(2, b"modality", PASSWORD.encode())) as opened:
            assert _stored(opened, 4) == 0
        with association(product, named(1, b"nobody at all")) as opened:
            assert _stored(opened, 5) == 0


def test_rejections_are_the_same_for_all_and_are_recorded_without_the_passcode(product: Face) -> None:
    # Seen as PDUs: the association of pynetdicom may not know the answer yet when `associate` returns.
    rejections: list[tuple[int | None, int | None, int | None]] = []

    def received(event: evt.Event) -> None:
        if isinstance(event.pdu, A_ASSOCIATE_RJ):
            rejections.append((event.pdu.result, event.pdu.source, event.pdu.reason_diagnostic))

    identities = (WRONG, NOBODY, NAME, None, named(4, b"x"))
    with asking(product, UserIdentities.REQUIRED) as trail:
        for identity in identities:
            with association(product, identity, received) as opened:
                assert not opened.is_established
        entries = found(product, trail)
    assert rejections == [(1, 2, 1)] * len(identities)
    failed = {"reason": "wrong login or password", "service": "association"}
    assert all(("sign-in", "failure", name, failed) in entries for name in (LOGIN, "nobody"))
    assert "another password" not in repr(entries)
    assert any(
        detail.get("reason") == "user not accepted" for event, _, _, detail in entries if event == "refused"
    )


def test_guessing_passcodes_is_slowed_down(product: Face) -> None:
    with asking(product, UserIdentities.ACCEPTED):
        for _ in range(6):
            assert not is_taken(product, named(2, b"modality", b"a guess of mine"))
        # Even the right one is not looked at for a while.
        assert not is_taken(product, named(2, b"modality", PASSWORD.encode()))


def test_a_passcode_in_the_clear_from_elsewhere_is_not_looked_at(product: Face) -> None:
    compared: list[str] = []

    class Counting(SignIn):
        def check(self, login: str, password: str, address: str) -> Any:
            compared.append(login)
            return super().check(login, password, address)

    sign_in = Counting(product.rooms.catalog, clock, session_lasts=timedelta(hours=1), passwords=CHEAP)
    users = Users(UserIdentities.ACCEPTED, sign_in, lambda: None)
    with product.called("1.2.840.10008.1.1") as opened:
        base = opened.request
    information = replace(base.user_information, identity=UserIdentity(2, LOGIN.encode(), PASSWORD.encode()))
    request = replace(base, user_information=information)
    users.identify(request, Caller("10.1.2.3"))
    assert compared == []
    users.identify(request, Caller("10.1.2.3", is_secure=True))
    assert compared == [LOGIN]

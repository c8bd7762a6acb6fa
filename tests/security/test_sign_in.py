"""Users, sessions and tokens in the index: what is stored, and who has which rights by them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from kinote.catalog.transactions.catalog import Catalog
from kinote.security.rights import Right
from kinote.security.roles import ROLES, RoleName, UnknownRoleError
from kinote.security.sign_in.identifying import SignIn, WrongPasswordError
from kinote.security.sign_in.passwords import LONGEST, PasswordRefusedError, Passwords
from kinote.security.sign_in.sessions import begin_session, end_session, end_sessions_of
from kinote.security.sign_in.tokens import add_token, revoke_token
from kinote.security.sign_in.users import (
    User,
    UserRefusedError,
    add_user,
    change_user,
    has_user,
    users,
)

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)

#: As little work as Argon2 can do.
CHEAP = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))

PASSWORD = "a long good password"


class Clock:
    """The moment that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sign_in(catalog: Catalog, clock: Clock) -> SignIn:
    return SignIn(catalog, clock, session_lasts=timedelta(hours=1), passwords=CHEAP)


def added(catalog: Catalog, login: str = "rhea", *roles: str) -> User:
    return catalog.write(
        lambda transaction: add_user(
            transaction, login, "Reader^Rhea", roles or ("author",), CHEAP.encode(PASSWORD), NOW
        )
    )


def session(catalog: Catalog, user: User, clock: Clock, hours: int = 1) -> str:
    return catalog.write(
        lambda transaction: begin_session(transaction, user.id, "192.0.2.1", clock(), timedelta(hours=hours))
    )[0]


def test_a_user_has_the_rights_of_its_roles(catalog: Catalog) -> None:
    user = added(catalog, "Rhea", "reader", "privacy officer")
    assert (user.login, user.roles) == ("rhea", (RoleName.READER, RoleName.PRIVACY_OFFICER))
    assert user.rights == ROLES[RoleName.READER] | ROLES[RoleName.PRIVACY_OFFICER]
    assert Right.MARK not in user.rights


def test_no_role_has_all_rights_and_every_right_has_a_role() -> None:
    assert all(rights < set(Right) for rights in ROLES.values())
    assert set().union(*ROLES.values()) == set(Right)


@pytest.mark.parametrize(
    "login", ["", "rhea", "RHEA", "r" * 65, "a b", "a\nb", "../x", "ä", "=x", "a\\b", "^a"], ids=repr
)
def test_a_login_is_plain_and_there_once(catalog: Catalog, login: str) -> None:
    added(catalog)
    with pytest.raises(UserRefusedError):
        added(catalog, login)


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\nb", "a\\b", "x" * 65], ids=repr)
def test_a_name_is_a_person_name(catalog: Catalog, name: str) -> None:
    with pytest.raises(UserRefusedError):
        catalog.write(lambda transaction: add_user(transaction, "rhea", name, ["reader"], "", NOW))


def test_an_unknown_role_is_refused(catalog: Catalog) -> None:
    with pytest.raises(UnknownRoleError, match="privacy officer"):
        added(catalog, "rhea", "root")


@pytest.mark.parametrize(
    "password", ["", "short", "aaaaaaaaaaaaaaaa", "x" * (LONGEST + 1), "rhea12345678"], ids=lambda p: p[:20]
)
def test_a_weak_password_is_refused_and_not_repeated(password: str) -> None:
    with pytest.raises(PasswordRefusedError) as refused:
        CHEAP.encode(password, "rhea" if "rhea" in password else "")
    assert not password or password not in str(refused.value)


def test_a_password_is_right_however_it_is_composed() -> None:
    encoded = CHEAP.encode("Stra\u00dfe nach K\u00f6ln")
    assert CHEAP.is_right(encoded, "Stra\u00dfe nach Ko\u0308ln")
    assert not CHEAP.is_right(encoded, "Strasse nach Koln")
    assert not CHEAP.is_right("", "nobody's password")
    assert not CHEAP.is_right(None, "nobody's password")
    assert not CHEAP.is_right("no hash at all", "anything at all")


def test_nothing_secret_is_stored(catalog: Catalog, clock: Clock) -> None:
    user = added(catalog, "rhea", "author")
    token = session(catalog, user, clock)
    made, known = catalog.write(
        lambda transaction: add_token(transaction, user, "ai", ["read"], timedelta(days=1), NOW)
    )
    assert "token" not in known
    with catalog.read() as connection:
        stored = " ".join(
            str(row)
            for table in ("user_account", "sign_in_session", "api_token", "audit_entry", "answered_request")
            for row in connection.execute(text(f"SELECT * FROM {table}"))  # noqa: S608 - names of ours
        )
    assert "rhea" in stored
    assert not any(secret in stored for secret in (PASSWORD, token, made, made.removeprefix("kinote_")))


@pytest.mark.parametrize(
    ("login", "password"),
    [("rhea", "another password"), ("nobody", PASSWORD), ("disabled", PASSWORD), ("program", PASSWORD)],
)
def test_a_wrong_sign_in_is_refused_alike_whatever_is_wrong(
    catalog: Catalog, sign_in: SignIn, login: str, password: str
) -> None:
    added(catalog)
    disabled = added(catalog, "disabled")
    catalog.write(lambda transaction: change_user(transaction, disabled.id, NOW, is_enabled=False))
    catalog.write(lambda transaction: add_user(transaction, "program", "", ["system"], "", NOW))
    with pytest.raises(WrongPasswordError) as refused:
        sign_in.check(login, password, "192.0.2.1")
    assert str(refused.value) == str(WrongPasswordError())
    assert sign_in.check("RHEA", PASSWORD, "192.0.2.1").user.login == "rhea"


def test_every_sign_in_compares_a_password_once(
    catalog: Catalog, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the time tells nothing: it is the work of one comparison, whoever the user is."""
    added(catalog)
    compared: list[str | None] = []

    def is_right(self: Passwords, encoded: str | None, password: str) -> bool:
        compared.append(encoded)
        return False

    monkeypatch.setattr(Passwords, "is_right", is_right)
    for login in ("rhea", "nobody"):
        with pytest.raises(WrongPasswordError):
            sign_in.check(login, PASSWORD, "192.0.2.1")
    assert len(compared) == 2
    assert compared[0] and compared[1] is None
    # Without a user, the password is compared with one of nobody's, which was encoded in the same way.
    assert CHEAP._nobody.split("$")[:4] == CHEAP.encode(PASSWORD).split("$")[:4]


def test_a_session_ends_by_time_by_sign_out_and_with_its_user(
    catalog: Catalog, sign_in: SignIn, clock: Clock
) -> None:
    user = added(catalog)
    first, second, third = (session(catalog, user, clock) for _ in range(3))
    found = sign_in.find(first, by="session")
    assert found is not None and (found.login, found.rights) == ("rhea", user.rights)
    assert sign_in.find(first, by="token") is None
    catalog.write(lambda transaction: end_session(transaction, first))
    assert sign_in.find(first, by="session") is None
    assert sign_in.find(second, by="session") is not None
    catalog.write(lambda transaction: end_sessions_of(transaction, user.id, but=third))
    assert sign_in.find(second, by="session") is None
    assert sign_in.find(third, by="session") is not None
    clock.now += timedelta(minutes=61)
    assert sign_in.known(third) is None
    assert sign_in.find(third, by="session") is None
    fourth = session(catalog, user, clock)
    catalog.write(lambda transaction: change_user(transaction, user.id, NOW, is_enabled=False))
    assert sign_in.find(fourth, by="session") is None


def test_a_new_password_ends_all_sessions(catalog: Catalog, sign_in: SignIn, clock: Clock) -> None:
    user = added(catalog)
    token = session(catalog, user, clock)
    catalog.write(
        lambda transaction: change_user(transaction, user.id, NOW, encoded=CHEAP.encode("quite another one"))
    )
    assert sign_in.find(token, by="session") is None


def test_a_user_has_so_many_sessions_and_expired_ones_go(catalog: Catalog, clock: Clock) -> None:
    user = added(catalog)
    for _ in range(60):
        session(catalog, user, clock)
    with catalog.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM sign_in_session")).scalar_one() == 50
    clock.now += timedelta(days=1)
    for _ in range(4):
        session(catalog, user, clock)
    with catalog.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM sign_in_session")).scalar_one() == 4


def test_what_was_found_out_counts_for_a_moment_and_never_after_a_change(
    catalog: Catalog, sign_in: SignIn, clock: Clock
) -> None:
    user = added(catalog)
    token = session(catalog, user, clock)
    assert sign_in.known(token) is None
    sign_in.find(token, by="session")
    assert sign_in.known(token) is not None
    sign_in.forget()
    assert sign_in.known(token) is None


def test_a_token_has_its_scopes_as_far_as_its_user_has_them(
    catalog: Catalog, sign_in: SignIn, clock: Clock
) -> None:
    user = added(catalog, "rhea", "author")
    token, known = catalog.write(
        lambda transaction: add_token(transaction, user, "ai", ["read", "mark"], timedelta(days=1), NOW)
    )
    found = sign_in.find(token, by="token")
    assert found is not None and found.rights == {Right.CONNECT, Right.READ, Right.MARK}
    catalog.write(lambda transaction: change_user(transaction, user.id, NOW, roles=["reader"]))
    found = sign_in.find(token, by="token")
    assert found is not None and found.rights == {Right.CONNECT, Right.READ}
    catalog.write(lambda transaction: revoke_token(transaction, known["id"], NOW))
    assert sign_in.find(token, by="token") is None


def test_a_token_expires(catalog: Catalog, sign_in: SignIn, clock: Clock) -> None:
    user = added(catalog)
    token, _ = catalog.write(
        lambda transaction: add_token(transaction, user, "ai", ["read"], timedelta(days=1), NOW)
    )
    clock.now += timedelta(days=1)
    assert sign_in.find(token, by="token") is None


@pytest.mark.parametrize("scopes", [["operate"], ["root"], []], ids=["beyond", "unknown", "none"])
def test_a_token_cannot_give_what_its_user_has_not(catalog: Catalog, scopes: list[str]) -> None:
    user = added(catalog)
    with pytest.raises(UserRefusedError):
        catalog.write(lambda transaction: add_token(transaction, user, "ai", scopes, timedelta(days=1), NOW))


def test_whether_anybody_can_sign_in(catalog: Catalog) -> None:
    def anybody() -> bool:
        with catalog.read() as connection:
            return has_user(connection)

    assert not anybody()
    user = added(catalog)
    assert anybody()
    catalog.write(lambda transaction: change_user(transaction, user.id, NOW, is_enabled=False))
    assert not anybody()
    with catalog.read() as connection:
        assert [each.is_enabled for each in users(connection)] == [False]

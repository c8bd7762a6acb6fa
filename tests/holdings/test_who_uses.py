"""For whom the interfaces ask the door: persons over HTTP, other systems over DICOM and by `kinote send`."""

from __future__ import annotations

import httpx
import pytest

from kinote.command.store.client import Client
from kinote.security.actors import COMMAND, Actor, ActorKind
from kinote.web.application import create_application
from tests.laws.test_law_1_withdrawn_while_sent import INTERFACES, Product, by_metadata, product
from tests.web.conftest import running
from tests.web.objects import INSTANCES, SERIES

__all__ = ["product"]

#: Whose request it is, where it is none over HTTP by a person.
BY_SYSTEMS = {"C-GET": ActorKind.PEER, "C-MOVE": ActorKind.PEER, "kinote send": ActorKind.SYSTEM}


@pytest.fixture
def used(product: Product, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Actor]]:
    """What the door is told of use."""
    told: list[tuple[int, Actor]] = []
    monkeypatch.setattr(product.door, "_used", lambda instance, by: told.append((instance, by)))
    # Nothing is withdrawn here.
    monkeypatch.setattr(type(product.door), "_then_withdraw", lambda door, found: found)
    return told


@pytest.mark.parametrize("interface", INTERFACES)
def test_an_interface_says_for_whom_it_asks(
    product: Product, used: list[tuple[int, Actor]], interface: str
) -> None:
    INTERFACES[interface](product)
    assert {by.kind for _, by in used} == {BY_SYSTEMS.get(interface, ActorKind.PERSON)}


def test_what_is_said_of_objects_is_no_use(product: Product, used: list[tuple[int, Actor]]) -> None:
    assert len(by_metadata(product)) == 3
    assert used == []


def test_what_a_command_gets_is_for_another_system(product: Product, used: list[tuple[int, Actor]]) -> None:
    with running(create_application(product.rooms)) as address:
        client = Client(address, httpx.HTTPTransport())
        file = client.download(f"{INSTANCES}/{SERIES}.1", "application/dicom; transfer-syntax=*")
        assert file is not None
        file.close()
        client.close()
    ((_, by),) = used
    assert (by.kind, by.name.partition("/")[0]) == (ActorKind.SYSTEM, COMMAND)

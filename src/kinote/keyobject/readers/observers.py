"""Combines the items of observer context: which names and logins belong to which observer (TID 1002)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from kinote.keyobject.codes import Code
from kinote.keyobject.readers.content import ObserverItem
from kinote.keyobject.reading import FoundObserver
from kinote.keyobject.values import concepts


@dataclass(slots=True)
class _Observer:
    """An observer, from the items so far."""

    kind: Literal["person", "device"]
    name: str = ""
    login: str = ""
    uid: str = ""


def observers(items: Iterable[ObserverItem]) -> tuple[FoundObserver, ...]:
    """Return the observers in order.

    An observer begins with its type or, if senders omit the type, with a second name or UID.
    """
    met: list[_Observer] = []
    for item in items:
        if item.concept == concepts.OBSERVER_TYPE:
            met.append(_Observer("device" if item.code == concepts.DEVICE else "person"))
            continue
        kind, attribute = _MEANING[item.concept]
        if not met or met[-1].kind != kind or getattr(met[-1], attribute):
            met.append(_Observer(kind))
        setattr(met[-1], attribute, item.text)
    return tuple(
        FoundObserver(one.kind, one.name, one.login, one.uid)
        for one in met
        if one.name or one.login or one.uid
    )


_MEANING: dict[Code, tuple[Literal["person", "device"], str]] = {
    concepts.PERSON_OBSERVER_NAME: ("person", "name"),
    concepts.PERSON_OBSERVER_LOGIN_NAME: ("person", "login"),
    concepts.DEVICE_OBSERVER_UID: ("device", "uid"),
    concepts.DEVICE_OBSERVER_NAME: ("device", "name"),
}

"""Puts the items of observer context together: which names and logins belong to which observer (TID 1002)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kinote.keyobject import concepts
from kinote.keyobject.content import ObserverItem
from kinote.keyobject.reading import FoundObserver


def observers(items: Iterable[ObserverItem]) -> tuple[FoundObserver, ...]:
    """The observers in order. An observer begins at its type; where senders leave the type out, with a
    second name or UID."""
    found: list[FoundObserver] = []
    for item in items:
        if item.concept == concepts.OBSERVER_TYPE:
            found.append(FoundObserver("device" if item.code == concepts.DEVICE else "person"))
            continue
        kind, attribute = _MEANING[item.concept]
        if not found or found[-1].kind != kind or getattr(found[-1], attribute):
            found.append(FoundObserver("device" if kind == "device" else "person"))
        found[-1] = _with(found[-1], attribute, item.text)
    return tuple(observer for observer in found if observer.name or observer.login or observer.uid)


def _with(observer: FoundObserver, attribute: str, text: str) -> FoundObserver:
    if attribute == "name":
        return replace(observer, name=text)
    return replace(observer, login=text) if attribute == "login" else replace(observer, uid=text)


_MEANING = {
    concepts.PERSON_OBSERVER_NAME: ("person", "name"),
    concepts.PERSON_OBSERVER_LOGIN_NAME: ("person", "login"),
    concepts.DEVICE_OBSERVER_UID: ("device", "uid"),
    concepts.DEVICE_OBSERVER_NAME: ("device", "name"),
}

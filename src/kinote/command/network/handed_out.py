"""Reports to the store what a command sends, while it sends: the receiver is owed notice of a withdrawal."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Self

from kinote.command.output import errors
from kinote.command.store.client import Client, ServerError
from kinote.dimse.entity import ApplicationEntity
from kinote.lifecycle.owed.receivers import State

#: Seconds between two reports while objects are sent.
_EVERY = 1.0

#: The number of objects in a report.
_TOGETHER = 5000

#: The most characters reported of an answer.
_LONGEST = 1000


class HandedOut:
    """Reports what was sent to an entity, each second and at the end. `record` is thread-safe."""

    def __init__(self, store: Client, to: ApplicationEntity) -> None:
        self._store = store
        host = f"[{to.host}]" if ":" in (to.host or "") else to.host
        self._to = f"{to.title}@{host}:{to.port}"
        self._lock = threading.Lock()
        self._waiting: list[dict[str, Any]] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="handed-out", daemon=True)

    def record(self, uid: str, state: State, answer: str) -> None:
        """Note the state of an object at the receiver."""
        with self._lock:
            self._waiting.append({"sop_instance_uid": uid, "state": str(state), "answer": answer[:_LONGEST]})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()
        try:
            self._report()
        except ServerError as error:
            errors.print(
                f"It could not be recorded what was sent, so {self._to} will not be told of withdrawals: {error}",
                markup=False,
            )

    def _run(self) -> None:
        while not self._ending.wait(_EVERY):
            try:
                self._report()
            except ServerError:
                # What is left is reported the next time, or at the end, where a failure is raised.
                continue

    def _report(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for begin in range(0, len(waiting), _TOGETHER):
            try:
                self._store.post(
                    "/api/v1/handed-out", {"to": self._to, "objects": waiting[begin : begin + _TOGETHER]}
                )
            except ServerError:
                with self._lock:
                    self._waiting = waiting[begin:] + self._waiting
                raise

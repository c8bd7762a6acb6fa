"""The conformance statement is that of the code: docs/conformance.md, the services, the statuses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kinote.conformance.services import USED, provided
from kinote.conformance.statement import statement
from kinote.conformance.statuses import ANSWERED
from kinote.dimse import statuses
from kinote.security import rights
from kinote.security.rights import Right, Role, Service
from tests.project.pages import rows, sections
from tests.project.sources import PACKAGE, ROOT

#: The modules that open associations for anybody who asks them to: the table names who asks.
_OPENING = frozenset({"kinote.dimse.associations.requestor"})


def test_page_is_what_the_code_says() -> None:
    page = (ROOT / "docs" / "conformance.md").read_text()

    assert page == statement(), "Run: kinote conformance > docs/conformance.md"


def test_service_that_is_offered_stands_in_the_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    commitment = "1.2.840.10008.1.20.1"
    service = Service(commitment, "N-ACTION", Role.SCU)
    monkeypatch.setitem(rights.SERVICES, service, Right.STORE)

    assert any(each.sop_class_uid == commitment and each.role is Role.SCP for each in provided())
    assert f"`{commitment}` | N-ACTION | SCP" in statement()


def test_whoever_opens_associations_is_in_the_table_of_services_used() -> None:
    opening = {module for module, names in _calls() if names & {"Proposal"}} - _OPENING

    assert opening == {each.module for each in USED}


def test_every_status_that_is_answered_has_its_meaning() -> None:
    listed = {status for table in ANSWERED.values() for status, _ in table}
    answered = {
        getattr(statuses, name)
        for module, names in _statuses()
        if module.startswith(("kinote.scp.", "kinote.intake.", "kinote.dimse.operations."))
        for name in names
    }

    assert answered - listed == set()


@pytest.mark.parametrize(
    ("heading", "messages"), [("Storing", ["C-STORE"]), ("Retrieving", ["C-MOVE", "C-GET"])]
)
def test_statuses_of_the_guide_to_dicom_are_those_of_the_statement(heading: str, messages: list[str]) -> None:
    guide = sections("dicom.md")[heading]
    codes = {row[0].strip("`") for row in rows(guide) if re.fullmatch("`[0-9A-F]{4}`", row[0])}
    listed = {f"{status:04X}" for message in messages for status, _ in ANSWERED[message]}

    assert codes and codes <= listed


def _sources() -> Iterator[tuple[str, ast.Module]]:
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        yield ".".join(parts), ast.parse(Path(file).read_text())


def _calls() -> Iterator[tuple[str, set[str]]]:
    for module, tree in _sources():
        called = {
            node.func.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        yield module, called


def _statuses() -> Iterator[tuple[str, set[str]]]:
    for module, tree in _sources():
        yield (
            module,
            {
                node.attr
                for node in ast.walk(tree)
                if isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "statuses"
                and node.attr.isupper()
            },
        )

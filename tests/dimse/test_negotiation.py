"""What an acceptor makes of proposals (PS3.8 Table 9-18, PS3.7 D.3)."""

from __future__ import annotations

import pytest

from kinote.dimse.associations.negotiation import (
    NO_SUCH_APPLICATION_CONTEXT,
    Acceptance,
    Result,
    Service,
    answer_to,
    first_of,
)
from kinote.dimse.associations.requestor import accepted_contexts
from kinote.dimse.protocol.pdu import AssociateAccept, AssociateRequest, ContextResult, ProposedContext
from kinote.dimse.protocol.user_information import (
    AsynchronousOperations,
    ExtendedNegotiation,
    RoleSelection,
    UserInformation,
)
from tests.dimse.ends import first_proposed

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
UNKNOWN = "1.2.3"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
JPEG = "1.2.840.10008.1.2.4.50"

SERVICES = {
    VERIFICATION: Service(first_of((EXPLICIT, IMPLICIT))),
    CT: Service(first_proposed, requestor_may_be_scp=True),
    FIND: Service(first_of((EXPLICIT, IMPLICIT)), extended=lambda asked: asked[:1]),
}


def accepted(*contexts: ProposedContext, information: UserInformation | None = None) -> Acceptance:
    request = AssociateRequest("KINOTE", "SENDER", contexts, information or UserInformation())
    answer = answer_to(request, SERVICES.get)
    assert isinstance(answer, Acceptance)
    return answer


@pytest.mark.parametrize(
    ("context", "result", "transfer_syntax"),
    [
        (ProposedContext(1, VERIFICATION, (IMPLICIT,)), Result.ACCEPTANCE, IMPLICIT),
        (ProposedContext(3, VERIFICATION, (IMPLICIT, EXPLICIT)), Result.ACCEPTANCE, EXPLICIT),
        (ProposedContext(5, CT, (JPEG, IMPLICIT)), Result.ACCEPTANCE, JPEG),
        (ProposedContext(7, UNKNOWN, (IMPLICIT,)), Result.ABSTRACT_SYNTAX_NOT_SUPPORTED, IMPLICIT),
        (ProposedContext(9, VERIFICATION, (JPEG,)), Result.TRANSFER_SYNTAXES_NOT_SUPPORTED, JPEG),
        (ProposedContext(11, CT, ()), Result.TRANSFER_SYNTAXES_NOT_SUPPORTED, ""),
        (ProposedContext(2, CT, (IMPLICIT,)), Result.NO_REASON, IMPLICIT),
    ],
)
def test_a_proposed_context(context: ProposedContext, result: Result, transfer_syntax: str) -> None:
    answer = accepted(context)
    (told,) = answer.answer.contexts
    assert (told.id, told.result, told.transfer_syntax) == (context.id, result, transfer_syntax)
    agreed = {context.id: transfer_syntax} if result is Result.ACCEPTANCE else {}
    assert {each.id: each.transfer_syntax for each in answer.contexts.values()} == agreed


def test_an_identifier_stands_for_one_context() -> None:
    answer = accepted(ProposedContext(1, CT, (JPEG,)), ProposedContext(1, CT, (IMPLICIT,)))
    assert [told.result for told in answer.answer.contexts] == [Result.ACCEPTANCE, Result.NO_REASON]
    assert answer.contexts[1].transfer_syntax == JPEG


def test_another_application_context_is_rejected() -> None:
    request = AssociateRequest("KINOTE", "SENDER", (), application_context="1.2.3")
    assert answer_to(request, SERVICES.get) == NO_SUCH_APPLICATION_CONTEXT


@pytest.mark.parametrize(
    ("abstract_syntax", "proposed", "told", "result"),
    [
        (CT, (True, True), (True, True), Result.ACCEPTANCE),
        (CT, (False, True), (False, True), Result.ACCEPTANCE),
        (VERIFICATION, (True, True), (True, False), Result.ACCEPTANCE),
        (VERIFICATION, (False, True), (False, False), Result.USER_REJECTION),
    ],
)
def test_roles(
    abstract_syntax: str, proposed: tuple[bool, bool], told: tuple[bool, bool], result: Result
) -> None:
    information = UserInformation(roles=(RoleSelection(abstract_syntax, *proposed),))
    answer = accepted(ProposedContext(1, abstract_syntax, (IMPLICIT,)), information=information)
    assert answer.answer.user_information.roles == (RoleSelection(abstract_syntax, *told),)
    assert answer.answer.contexts[0].result == result
    if result is Result.ACCEPTANCE:
        context = answer.contexts[1]
        assert (context.requestor_is_scu, context.requestor_is_scp) == told


def test_nothing_is_answered_that_was_not_asked() -> None:
    told = accepted(ProposedContext(1, FIND, (IMPLICIT,))).answer.user_information
    assert (told.roles, told.extended, told.asynchronous_operations) == ((), (), None)


def test_extended_negotiation_and_asynchronous_operations() -> None:
    information = UserInformation(
        asynchronous_operations=AsynchronousOperations(8, 8),
        extended=(ExtendedNegotiation(FIND, b"\1\1\0"), ExtendedNegotiation(CT, b"\1")),
    )
    told = accepted(ProposedContext(1, FIND, (IMPLICIT,)), information=information).answer.user_information
    assert told.asynchronous_operations == AsynchronousOperations(1, 1)
    assert told.extended == (ExtendedNegotiation(FIND, b"\1"),)


@pytest.mark.parametrize("answered", [None, (False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("proposed", [None, (True, False), (False, True), (True, True)])
def test_roles_that_an_acceptor_answers(
    proposed: tuple[bool, bool] | None, answered: tuple[bool, bool] | None
) -> None:
    """Those that were proposed and accepted; without an answer, or a proposal, the requestor is SCU (PS3.7 D.3.3.4)."""
    roles = (RoleSelection(CT, *proposed),) if proposed else ()
    request = AssociateRequest(
        "PEER", "KINOTE", (ProposedContext(1, CT, (IMPLICIT,)),), UserInformation(roles=roles)
    )
    told = UserInformation(roles=(RoleSelection(CT, *answered),) if answered else ())
    answer = AssociateAccept("PEER", "KINOTE", (ContextResult(1, 0, IMPLICIT),), told)
    context = accepted_contexts(request, answer)[1]
    if proposed is None or answered is None:
        due = (True, False)
    else:
        due = (proposed[0] and answered[0], proposed[1] and answered[1])
    assert (context.requestor_is_scu, context.requestor_is_scp) == due

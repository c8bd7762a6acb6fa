"""The normalized services: each in both roles, whoever has opened the association; what is not agreed on is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from kinote.dimse import invoking, statuses
from kinote.dimse.associations.association import Association
from kinote.dimse.command_sets.normalized import (
    NActionRequest,
    NActionResponse,
    NCreateRequest,
    NDeleteRequest,
    NEventReportRequest,
    NEventReportResponse,
    NGetRequest,
    NormalizedRequest,
    NormalizedResponse,
    NSetRequest,
)
from kinote.dimse.commands import (
    CFindRequest,
    Request,
    UnrecognizedRequest,
    UnrecognizedResponse,
)
from kinote.dimse.errors import AnswerTooLongError, NotAcceptedError, OutstandingError
from kinote.dimse.operations import normalized
from kinote.dimse.operations.both_ways import MOST_FOLLOW_UPS, meanwhile, serve_until
from kinote.dimse.operations.normalized import n_action, n_create, n_event_report, n_get, n_set
from kinote.dimse.operations.offered import Answered, Asked, Offer, Offered
from kinote.dimse.protocol.user_information import RoleSelection
from tests.dimse.both_ends import (
    COMMITMENT,
    COMMITMENT_INSTANCE,
    IAN,
    STEP,
    Log,
    Provider,
    providing,
    using,
)
from tests.dimse.ends import CT

Answer = tuple[NormalizedResponse, bytes]


@dataclass(frozen=True)
class Case:
    """A service: how it is invoked, the request that comes of it, its data set, and whether the answer has one."""

    invoke: Callable[[Association], Answer]
    request: NormalizedRequest
    data_set: bytes | None
    replies: bool = True


CASES = {
    "N-EVENT-REPORT": Case(
        lambda a: normalized.n_event_report(a, STEP, "1.2.3", 2, b"event"),
        NEventReportRequest(
            message_id=1,
            affected_sop_class_uid=STEP,
            affected_sop_instance_uid="1.2.3",
            event_type_id=2,
            has_data_set=True,
        ),
        b"event",
    ),
    "N-GET": Case(
        lambda a: normalized.n_get(a, STEP, "1.2.3", [0x00100010, 0x0020000D]),
        NGetRequest(
            message_id=1,
            requested_sop_class_uid=STEP,
            requested_sop_instance_uid="1.2.3",
            attribute_identifier_list=(0x00100010, 0x0020000D),
        ),
        None,
    ),
    "N-SET": Case(
        lambda a: normalized.n_set(a, STEP, "1.2.3", b"changes"),
        NSetRequest(
            message_id=1,
            requested_sop_class_uid=STEP,
            requested_sop_instance_uid="1.2.3",
            has_data_set=True,
        ),
        b"changes",
    ),
    "N-ACTION": Case(
        lambda a: normalized.n_action(a, STEP, "1.2.3", 7, bytes(300_000)),
        NActionRequest(
            message_id=1,
            requested_sop_class_uid=STEP,
            requested_sop_instance_uid="1.2.3",
            action_type_id=7,
            has_data_set=True,
        ),
        bytes(300_000),
    ),
    "N-CREATE": Case(
        lambda a: normalized.n_create(a, STEP, "1.2.3", b""),
        NCreateRequest(
            message_id=1,
            affected_sop_class_uid=STEP,
            affected_sop_instance_uid="1.2.3",
            has_data_set=True,
        ),
        b"",
    ),
    "N-DELETE": Case(
        lambda a: normalized.n_delete(a, STEP, "1.2.3"),
        NDeleteRequest(message_id=1, requested_sop_class_uid=STEP, requested_sop_instance_uid="1.2.3"),
        None,
        replies=False,
    ),
}


@pytest.mark.parametrize("who", ["who has opened", "who was called"])
@pytest.mark.parametrize("name", CASES)
def test_each_service_in_both_roles(name: str, who: str) -> None:
    case = CASES[name]
    log = Log(lambda asked: Answered(data_set=b"reply" if case.replies else None))
    answers: list[Answer] = []

    def ask(association: Association) -> None:
        answers.append(case.invoke(association))

    if who == "who has opened":
        provider = Provider(log.offered())
        with providing(provider) as peer, using(peer) as association:
            ask(association)
    else:
        provider = Provider(then=ask)
        with providing(provider) as peer, using(peer, log.offered()) as association:
            assert invoking.echo(association).status == 0
            assert serve_until(association, lambda: bool(log.asked), 20)
    assert provider.ended == ["released"]
    assert log.requests == [case.request]
    assert log.asked[0].data_set == case.data_set
    ((response, data),) = answers
    assert (response.status, data) == (0, b"reply" if case.replies else b"")
    assert (response.affected_sop_class_uid, response.affected_sop_instance_uid) == (STEP, "1.2.3")
    if isinstance(response, NEventReportResponse):
        assert response.event_type_id == 2
    if isinstance(response, NActionResponse):
        assert response.action_type_id == 7


def test_what_a_handler_says_is_answered() -> None:
    """A failure with its comment, its error and the attributes it is about; a data set goes out with success alone."""
    said = Answered(
        statuses.INVALID_ATTRIBUTE_VALUE,
        data_set=b"not to go out",
        error_comment="much " * 30,
        error_id=5,
        attributes=(0x00100010,),
    )
    with (
        providing(Provider(Log(lambda asked: said).offered())) as peer,
        using(peer) as association,
    ):
        answer, data = n_set(association, STEP, "1.2.3", b"changes")
    assert (answer.status, answer.error_id, data) == (statuses.INVALID_ATTRIBUTE_VALUE, 5, b"")
    assert answer.error_comment is not None
    assert len(answer.error_comment) == 64
    assert answer.attribute_identifier_list == (0x00100010,)


def test_an_instance_that_the_provider_names() -> None:
    named = iter([Answered(sop_instance_uid="1.2.3.9"), Answered()])
    with (
        providing(Provider(Log(lambda asked: next(named)).offered())) as peer,
        using(peer) as association,
    ):
        answer, _ = n_create(association, IAN, None, b"")
        assert (answer.status, answer.affected_sop_instance_uid) == (0, "1.2.3.9")
        # A handler that makes an instance and does not say which is at fault.
        assert n_create(association, IAN, None)[0].status == statuses.PROCESSING_FAILURE


def test_a_handler_that_fails_is_answered_for() -> None:
    def fail(asked: Asked) -> Answered:
        raise KeyError("no such thing")

    with providing(Provider(Log(fail).offered())) as peer, using(peer) as association:
        for _ in range(2):
            answer, _ = n_action(association, COMMITMENT, COMMITMENT_INSTANCE, 1, b"")
            assert answer.status == statuses.PROCESSING_FAILURE


def test_a_data_set_longer_than_is_taken_is_refused_and_passed_over() -> None:
    log = Log()
    offered = Offered([Offer(STEP, NSetRequest, log, longest=1000)])
    with providing(Provider(offered)) as peer, using(peer) as association:
        assert n_set(association, STEP, "1.2.3", bytes(1000))[0].status == 0
        assert n_set(association, STEP, "1.2.3", bytes(1_000_000))[0].status == statuses.RESOURCE_LIMITATION
        assert n_set(association, STEP, "1.2.3", bytes(10))[0].status == 0
    assert len(log.asked) == 2


def test_an_answer_longer_than_is_taken_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normalized, "LONGEST_ANSWER", 1000)
    sizes = iter([1000, 1_000_000, 10])
    log = Log(lambda asked: Answered(data_set=bytes(next(sizes))))
    with providing(Provider(log.offered())) as peer, using(peer) as association:
        assert len(n_get(association, STEP, "1.2.3")[1]) == 1000
        with pytest.raises(AnswerTooLongError, match="more than 1000"):
            n_get(association, STEP, "1.2.3")
        assert len(n_get(association, STEP, "1.2.3")[1]) == 10


def test_a_uid_that_is_none_is_not_sent() -> None:
    log = Log()
    with providing(Provider(log.offered())) as peer, using(peer) as association:
        with pytest.raises(ValueError, match="is not a UID"):
            n_get(association, STEP, "one")
        assert n_get(association, STEP, "1.2.3")[0].status == 0
    assert len(log.asked) == 1


# --- what is not agreed on ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (None, {"N-ACTION"}),
        (RoleSelection(COMMITMENT, scu=True, scp=False), {"N-ACTION"}),
        (RoleSelection(COMMITMENT, scu=False, scp=True), {"N-EVENT-REPORT"}),
        (RoleSelection(COMMITMENT, scu=True, scp=True), {"N-ACTION", "N-EVENT-REPORT"}),
    ],
)
def test_roles_say_what_may_be_asked(role: RoleSelection | None, allowed: set[str]) -> None:
    """Where they do not, we do not ask; and one who asks nevertheless is refused, and the association goes on."""
    log = Log()
    with (
        providing(Provider(log.offered())) as peer,
        using(peer, roles=(role,) if role else ()) as association,
    ):
        for name, ask in (
            ("N-ACTION", lambda: n_action(association, COMMITMENT, COMMITMENT_INSTANCE, 1)),
            ("N-EVENT-REPORT", lambda: n_event_report(association, COMMITMENT, COMMITMENT_INSTANCE, 1)),
        ):
            if name in allowed:
                assert ask()[0].status == 0
            else:
                with pytest.raises(NotAcceptedError, match="in our role"):
                    ask()
        context = association.context_for(COMMITMENT)
        answer, _ = n_action(association, COMMITMENT, COMMITMENT_INSTANCE, 1, context=context)
        event, _ = n_event_report(association, COMMITMENT, COMMITMENT_INSTANCE, 1, context=context)
        refused = statuses.UNRECOGNIZED_OPERATION
        assert answer.status == (0 if "N-ACTION" in allowed else refused)
        assert event.status == (0 if "N-EVENT-REPORT" in allowed else refused)
    assert len(log.asked) == 2 * len(allowed)


REFUSED: dict[str, tuple[Request, bytes | None, int]] = {
    "no handler for the command": (
        NGetRequest(message_id=9, requested_sop_class_uid=STEP, requested_sop_instance_uid="1.2"),
        None,
        statuses.UNRECOGNIZED_OPERATION,
    ),
    "another class": (
        NSetRequest(
            message_id=9, requested_sop_class_uid=IAN, requested_sop_instance_uid="1.2", has_data_set=True
        ),
        b"",
        statuses.NO_SUCH_SOP_CLASS,
    ),
    "no data set": (
        NSetRequest(message_id=9, requested_sop_class_uid=STEP, requested_sop_instance_uid="1.2"),
        None,
        statuses.MISTYPED_ARGUMENT,
    ),
    "incomplete": (
        UnrecognizedRequest(message_id=9, command_field=0x0120, has_data_set=True),
        b"passed over",
        statuses.MISTYPED_ARGUMENT,
    ),
    "composite service": (
        CFindRequest(message_id=9, affected_sop_class_uid=STEP, has_data_set=True),
        b"",
        statuses.SOP_CLASS_NOT_SUPPORTED,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_offered_is_refused_and_the_association_goes_on(name: str) -> None:
    request, data_set, status = REFUSED[name]
    provider = Provider(Offered([Offer(STEP, NSetRequest, Log())]))
    with providing(provider) as peer, using(peer) as association:
        context = association.context_for(STEP)
        assert context is not None
        association.send(context, request, data_set)
        answer = association.receive_due().command
        assert getattr(answer, "status", None) == status
        assert getattr(answer, "message_id_being_responded_to", None) == 9
        if isinstance(request, UnrecognizedRequest):
            assert isinstance(answer, UnrecognizedResponse) or answer.code == request.command_field | 0x8000
        assert n_set(association, STEP, "1.2.3", b"")[0].status == 0
    assert provider.ended == ["released"]


def test_instances_of_another_class_where_the_offer_says_so() -> None:
    """As all UPS classes name instances of UPS Push."""
    log = Log()
    offered = Offered([Offer(IAN, NGetRequest, log, instances_of=frozenset({STEP}))])
    with providing(Provider(offered)) as peer, using(peer) as association:
        context = association.context_for(IAN)
        assert n_get(association, STEP, "1.2.3", context=context)[0].status == 0
        assert n_get(association, COMMITMENT, "1.2", context=context)[0].status == statuses.NO_SUCH_SOP_CLASS


def test_what_the_peer_has_not_accepted_is_not_asked() -> None:
    with (
        providing(Provider()) as peer,
        using(peer) as association,
        pytest.raises(NotAcceptedError, match=r"does not accept 1\.2\.9$"),
    ):
        n_get(association, "1.2.9", "1.2")


def test_what_is_offered_says_the_roles() -> None:
    offered = Offered([Offer(STEP, NSetRequest, Log()), Offer(COMMITMENT, NEventReportRequest, Log())])
    assert offered.sop_classes == {STEP, COMMITMENT}
    choose = lambda proposed: None  # noqa: E731
    step, commitment = offered.service(STEP, choose), offered.service(COMMITMENT, choose)
    assert step is not None and commitment is not None
    assert (step.requestor_may_be_scu, step.requestor_may_be_scp) == (True, False)
    assert (commitment.requestor_may_be_scu, commitment.requestor_may_be_scp) == (False, True)
    assert offered.service(CT, choose) is None


# --- one at a time --------------------------------------------------------------------------------


def test_an_operation_within_another_is_not_begun() -> None:
    def ask(asked: Asked) -> Answered:
        with pytest.raises(OutstandingError):
            n_get(asked.association, STEP, "1.2.3")
        return Answered()

    def tell(association: Association) -> None:
        assert n_event_report(association, STEP, "1.2.3", 1)[0].status == 0
        told.append(True)

    told: list[bool] = []
    log = Log()
    at_user = Log(ask)
    provider = Provider(log.offered(), then=tell)
    with providing(provider) as peer, using(peer, at_user.offered()) as association:
        invoking.echo(association)
        # The event comes while the answer is due.
        assert n_get(association, STEP, "1.2.3")[0].status == 0
        assert serve_until(association, lambda: bool(at_user.asked), 20)
    assert (len(at_user.asked), told) == (1, [True])


def test_follow_ups_have_a_bound() -> None:
    """They wait while an operation of the end that was asked is under way."""
    later: list[int] = []
    log = Log(lambda asked: Answered(follow_up=lambda: later.append(asked.request.message_id)))
    found: list[int] = []

    def tell(association: Association) -> None:
        found.extend(
            n_event_report(association, STEP, "1.2", 1)[0].status for _ in range(MOST_FOLLOW_UPS + 2)
        )

    with providing(Provider(then=tell)) as peer, using(peer, log.offered()) as association:
        invoking.echo(association)
        association.under_way.begin()
        for _ in range(MOST_FOLLOW_UPS + 2):
            meanwhile(association, association.receive_due())
        assert later == []
        association.under_way.end()
    assert found == [0] * MOST_FOLLOW_UPS + [statuses.RESOURCE_LIMITATION] * 2
    assert later == list(range(1, MOST_FOLLOW_UPS + 1))

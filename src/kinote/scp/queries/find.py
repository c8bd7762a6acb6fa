"""C-FIND (PS3.4 C.4.1) without the association: from a request's identifier to the identifiers of matches."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from kinote.catalog.instances.headers import Derived, nothing_derived
from kinote.catalog.queries.conditions import InvalidKeyError
from kinote.catalog.queries.matching import Query, pages
from kinote.catalog.queries.patients import patient_pages
from kinote.catalog.transactions.catalog import Catalog
from kinote.dimse.information_models import InformationModel, QueryLevel
from kinote.dimse.statuses import PENDING, PENDING_WITH_WARNING
from kinote.scp.queries.find_answers import AnswerEncoder
from kinote.scp.queries.find_query import is_fully_supported, query_of
from kinote.scp.queries.identifier_error import IdentifierError, Refusal
from kinote.scp.queries.identifiers import Identifier, read_identifier
from kinote.scp.queries.query_options import QueryOptions


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to a query: the status that goes with each, and their encoded identifiers.

    The identifiers are read from the index in pages as they are consumed, from one snapshot. Close `identifiers` to
    release the connection before the end. The first one raises `IdentifierError` if the value of a key does not fit its
    attribute.
    """

    status: int
    identifiers: Generator[bytes, None, None]


def find(
    catalog: Catalog,
    request: bytes,
    *,
    transfer_syntax_uid: str,
    model: InformationModel,
    options: QueryOptions,
    retrieve_ae_title: str,
    derived: Derived = nothing_derived,
    may_examine: bool = False,
) -> Answers:
    """Answer a C-FIND request. `derived` makes the bytes of key objects that have not been made yet.

    Callers with `may_examine` may ask for withdrawn instances.

    Raises `IdentifierError` if the identifier cannot be answered.
    """
    identifier = read_identifier(request, transfer_syntax_uid)
    query = query_of(identifier, model, options, may_examine=may_examine)
    encoder = AnswerEncoder(identifier, transfer_syntax_uid, retrieve_ae_title)
    status = PENDING if is_fully_supported(identifier, query) else PENDING_WITH_WARNING
    return Answers(status, _identifiers(catalog, identifier, query, encoder, derived))


def _identifiers(
    catalog: Catalog, identifier: Identifier, query: Query, encoder: AnswerEncoder, derived: Derived
) -> Generator[bytes, None, None]:
    with catalog.read() as connection:
        try:
            for lines in _matches(connection, identifier, query, derived):
                yield encoder.encode(lines)
        except InvalidKeyError as error:
            raise IdentifierError(Refusal.DOES_NOT_MATCH_SOP_CLASS, str(error), (error.path[-1],)) from error


def _matches(
    connection: Connection, identifier: Identifier, query: Query, derived: Derived
) -> Iterator[tuple[str, ...]]:
    if identifier.level is QueryLevel.PATIENT:
        for page in patient_pages(connection, query):
            yield from page
        return
    for answers in pages(connection, query, derived):
        for answer in answers:
            yield answer.lines

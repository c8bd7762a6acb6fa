"""Chooses the units to evict: a pure function, so that the same cache always gives the same plan.

Only units are chosen that their rule permits to evict, that an archive has committed to, and that no hold keeps. The
order is that of `go first`, then least recently used, until enough is freed. For a rule with a share, that share
stays, the most recently used first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from kinote.retention.rules.rule import Measure, Rule, Share, deciding, verdict
from kinote.retention.rules.unit import Unit


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount. `studies` counts each study once."""

    bytes: int = 0
    objects: int = 0
    studies: int = 0

    def of(self, measure: Measure) -> int:
        """Return it in one measure."""
        return {Measure.BYTES: self.bytes, Measure.OBJECTS: self.objects, Measure.STUDIES: self.studies}[
            measure
        ]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A unit that may be evicted, with the position of the rule that decides about it (-1: none)."""

    study: int
    part: str
    rule: int
    is_first: bool
    last_at: str
    bytes: int
    objects: int

    @property
    def order(self) -> tuple[bool, str, int, str]:
        """Its place in the order of eviction: the rest of a study before its key images."""
        return (not self.is_first, self.last_at, self.study, "1" if self.part == "flagged" else "0")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The units to evict, in order, and how many bytes that frees."""

    units: tuple[Candidate, ...]
    frees: int


def choose(
    candidates: Iterable[Candidate],
    rules: tuple[Rule, ...],
    *,
    wanted: int,
    whole: Amount,
    matched: Mapping[int, Amount],
    most_objects: int | None = None,
) -> Chosen:
    """Choose what goes, of candidates in their order.

    Parameters
    ----------
    candidates
        What may go, is safe and is on no hold, in the order of `Candidate.order`.
    wanted
        How many bytes are to be freed.
    whole, matched
        How much there is in the cache, and how much of it each rule decides about, by its position: for shares.
    most_objects
        The most objects that are chosen, a little more at the last unit.
    """
    shares = {at: rule.share for at, rule in enumerate(rules) if rule.share is not None}
    stays = {at: _Staying(share, whole, matched.get(at, Amount())) for at, share in shares.items()}
    chosen: list[Candidate] = []
    frees = objects = 0
    for each in candidates:
        if frees >= wanted or (most_objects is not None and objects >= most_objects):
            break
        staying = stays.get(each.rule)
        if staying is not None and not staying.lets_go(each):
            continue
        chosen.append(each)
        frees += each.bytes
        objects += each.objects
    return Chosen(tuple(chosen), frees)


class _Staying:
    """What is left for a rule with a share, and whether more may be evicted."""

    def __init__(self, share: Share, whole: Amount, matched: Amount) -> None:
        self._share = share
        self._least = whole.of(share.of) * share.percent / 100
        self._left = matched.of(share.of)
        self._gone: set[int] = set()
        self._is_closed = False

    def lets_go(self, unit: Candidate) -> bool:
        """Return whether a unit may be evicted while enough stays. After the first that stays, all later used ones stay
        too.
        """
        if self._is_closed:
            return False
        takes = {
            Measure.BYTES: unit.bytes,
            Measure.OBJECTS: unit.objects,
            Measure.STUDIES: int(unit.study not in self._gone),
        }[self._share.of]
        if self._left - takes < self._least:
            self._is_closed = True
            return False
        self._left -= takes
        self._gone.add(unit.study)
        return True


def amount_of(units: Iterable[Unit]) -> Amount:
    """Return how much units are together."""
    those = list(units)
    return Amount(
        sum(each.bytes for each in those),
        sum(each.objects for each in those),
        len({each.study for each in those}),
    )


def plan(units: Iterable[Unit], rules: tuple[Rule, ...], *, wanted: int, now: datetime) -> Chosen:
    """Choose what to evict of these units: the pure form of `asking.asked_plan`."""
    those = [each for each in units if each.objects]
    by_rule: dict[int, list[Unit]] = {}
    candidates = []
    for each in those:
        at = deciding(rules, each, now)
        position = -1 if at is None else at
        by_rule.setdefault(position, []).append(each)
        said = verdict(None if at is None else rules[at], each.last_at, now)
        if said.may_go and each.is_safe and not each.on_hold:
            candidates.append(
                Candidate(
                    each.study,
                    str(each.part),
                    position,
                    said.is_first,
                    each.last_at,
                    each.bytes,
                    each.objects,
                )
            )
    return choose(
        sorted(candidates, key=lambda each: each.order),
        rules,
        wanted=wanted,
        whole=amount_of(those),
        matched={at: amount_of(matched) for at, matched in by_rule.items()},
    )

"""The meaning of a rule, in one sentence."""

from __future__ import annotations

from kinote.retention.rules.rule import Action, Conditions, Measure, Rule
from kinote.retention.rules.unit import Part

_MEASURES = {
    Measure.BYTES: "of the bytes",
    Measure.OBJECTS: "of the objects",
    Measure.STUDIES: "of the studies",
}


def sentence(rule: Rule) -> str:
    """Return the meaning of a rule."""
    what = _what(rule.when)
    if rule.share is not None:
        return (
            f"Of {what} so much stays that they are at least {rule.share.percent:g} % {_MEASURES[rule.share.of]} in "
            "the cache, the most recently used first; the others may go."
        )
    if rule.action is Action.KEEP:
        return f"{_capital(what)} stay."
    if rule.action is Action.KEEP_UNTIL:
        return (
            f"{_capital(what)} stay for {rule.days} days after they were last used or came; then they may go."
        )
    if rule.action is Action.GO_FIRST:
        return f"{_capital(what)} go before all others."
    return f"{_capital(what)} may go when room is needed, least recently used first."


def sentence_of_none() -> str:
    """Return the meaning of having no rule that matches."""
    return "What no rule matches may go when room is needed, least recently used first."


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _what(when: Conditions) -> str:
    what = {
        None: "all images",
        Part.KEY_IMAGES: "key images with their presentation states",
        Part.REST: "images that no note flags",
    }[when.part]
    said = [
        (when.modalities, "of the modality " + _or(when.modalities)),
        (when.sop_classes, "of the SOP Class " + _or(when.sop_classes)),
        (when.titles, "of studies with a note " + _or(when.titles)),
        (when.calling_ae_titles, "from " + _or(when.calling_ae_titles)),
        (when.patients, "of the patient " + _or([one for one, _ in when.patients])),
        (when.studies, "of the study " + _or(when.studies)),
        (when.has_notes is True, "of studies with notes"),
        (when.has_notes is False, "of studies without notes"),
        (when.study_older_than_days is not None, f"of studies older than {when.study_older_than_days} days"),
        (
            when.study_younger_than_days is not None,
            f"of studies younger than {when.study_younger_than_days} days",
        ),
        (when.not_used_for_days is not None, f"not used for {when.not_used_for_days} days"),
        (when.sent_within_days is not None, f"sent within {when.sent_within_days} days"),
    ]
    return " ".join([what, *(words for is_given, words in said if is_given)])


def _or(values: tuple[str, ...] | list[str]) -> str:
    shown = list(values[:3]) + ([f"{len(values) - 3} others"] if len(values) > 3 else [])
    return " or ".join(shown)

"""What rejection notes of others may do, as the settings say it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from kinote.lifecycle.acts import LaterCopies
from kinote.lifecycle.rejection.rules import REFUSED_COPY, Effect, RejectionRules
from kinote.settings.reading import SettingsError, read_settings
from tests.lifecycle.rejected import EXPIRED, QUALITY, SAFETY, WORKLIST


@pytest.fixture(autouse=True)
def _empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def rules(text: str) -> RejectionRules:
    Path("kinote.toml").write_text(text)
    return read_settings().rejection_rules(lambda actor: True)


def test_without_settings_it_is_as_the_standard_has_it() -> None:
    found = rules("")
    assert {title.value: rule.later_copies for title, rule in found.titles.items()} == {
        "113001": LaterCopies.KEPT_HIDDEN,
        "113037": LaterCopies.REFUSED,
        "113038": LaterCopies.REFUSED,
        "113039": LaterCopies.RESTORED,
    }
    assert {
        (rule.effect, rule.shows_note, rule.purge_after, rule.note_purge_after)
        for rule in found.titles.values()
    } == {(Effect.HIDDEN, True, None, None)}
    assert found.refusal_for("CT1") == REFUSED_COPY == 0xC771


def test_each_title_has_its_own() -> None:
    found = rules(
        '[[rejections]]\ntitle = "113001"\nmode = "mark"\n'
        '[[rejections]]\ntitle = "113039"\nshow_note = false\nlater_copies = "refused"\n'
        "purge_after = 1\nnote_purge_after = 8\n"
    )
    quality, expired = found.titles[QUALITY], found.titles[EXPIRED]
    assert (quality.effect, quality.later_copies) == (Effect.MARKED, LaterCopies.KEPT_HIDDEN)
    assert (expired.shows_note, expired.later_copies) == (False, LaterCopies.REFUSED)
    assert (expired.purge_after, expired.note_purge_after) == (timedelta(days=1), timedelta(days=8))
    assert found.titles[SAFETY].later_copies is found.titles[WORKLIST].later_copies is LaterCopies.REFUSED


def test_the_status_of_a_refusal_is_by_sender() -> None:
    found = rules(
        '[[refused_copies]]\nsender = "CT1"\nstatus = "c123"\n[[refused_copies]]\nstatus = "0124"\n'
    )
    assert [found.refusal_for(sender) for sender in ("CT1", "CT2", "")] == [0xC123, 0x0124, 0x0124]


@pytest.mark.parametrize(
    "status", ["A700", "A771", "A7FF", "0000", "B000", "C122", "0110", "C1", "C12345", "XXXX"]
)
def test_a_status_that_senders_repeat_for_ever_or_that_says_success_is_refused(status: str) -> None:
    with pytest.raises(SettingsError, match="senders repeat A7xx for ever"):
        rules(f'[[refused_copies]]\nstatus = "{status}"\n')


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ('title = "113000"', "It must be 113001, 113037, 113038 or 113039"),
        ('title = "113037"\nmode = "mark"', "113037 cannot only mark"),
        ('title = "113039"\nmode = "mark"', "113039 cannot only mark"),
        ('title = "113001"\nmode = "mark"\nshow_note = false', "cannot mark without showing its note"),
        ('title = "113038"\nlater_copies = "restored"', "later_copies cannot be restored"),
        ('title = "113037"\nlater_copies = "restored"', "later_copies cannot be restored"),
        ('title = "113039"\nnote_purge_after = 3', "storage commitment may be requested"),
        ('title = "113039"\npurge_after = 30\nnote_purge_after = 8', "kept at least as long"),
        ('title = "113039"\nnote_purge_after = 8', "kept at least as long"),
        ('title = "113001"\n[[rejections]]\ntitle = "113001"', "The title 113001 is there twice"),
        ("mode = 'hide'", "Rejection 1 has no title"),
    ],
)
def test_what_contradicts_the_standard_or_itself_is_refused(item: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        rules(f"[[rejections]]\n{item}\n")


@pytest.mark.parametrize(
    "items", ['sender = "CT1"\nstatus = "C123"', 'status = "C123"'], ids=["sender", "others"]
)
def test_a_sender_has_one_status(items: str) -> None:
    with pytest.raises(SettingsError, match="is there twice"):
        rules(f"[[refused_copies]]\n{items}\n[[refused_copies]]\n{items}\n")

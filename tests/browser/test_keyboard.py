"""Where the keyboard goes: keys reach the page, and the focus is never lost."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.journey import (
    BEST_IN_SET,
    eventually,
    fill_draft,
    make_note,
    note_called,
    open_study,
    written_by,
)

#: Where the next Tab begins: the element that has the focus, by its test id, its id or its class.
FOCUSED = """() => {
  const { dataset, id, className, tagName } = document.activeElement;
  return dataset.testid || id || className || tagName;
}"""


def focused(page: Page) -> str:
    return str(page.evaluate(FOCUSED))


def expect_focused(page: Page, name: str) -> None:
    eventually(page, lambda: focused(page) == name, f"{name} does not get the focus")


def test_keys_are_the_pages_while_the_window_select_has_the_focus(page: Page) -> None:
    open_study(page, "CT")
    window = page.get_by_test_id("window-preset")
    window.select_option(label="Lung (-600 / 1500)")
    window.focus()
    page.keyboard.press("k")
    expect(page.get_by_test_id("stage-mark-draft")).to_be_visible()
    expect(page.get_by_test_id("window-text")).to_have_text("C -600  W 1500")
    page.keyboard.press("0")
    expect(page.get_by_test_id("window-text")).to_contain_text("stored")
    # Its own keys stay its own.
    page.keyboard.press("ArrowDown")
    expect(page.get_by_test_id("position")).to_have_value("0")
    expect(window).not_to_have_value("default")


def test_the_tools_are_a_group_of_controls_each_reached_by_tab(page: Page) -> None:
    open_study(page, "CT")
    expect(page.get_by_role("toolbar")).to_have_count(0)
    tools = page.get_by_role("group", name="Picture tools")
    controls = tools.locator("button:enabled, select").all()
    assert len(controls) > 8
    controls[0].focus()
    for control in controls[1:]:
        page.keyboard.press("Tab")
        expect(control).to_be_focused()


def test_another_page_is_read_from_its_beginning(page: Page) -> None:
    page.goto("/")
    page.get_by_test_id("study-row").first.get_by_role("link").press("Enter")
    expect(page.get_by_test_id("study-page")).to_be_visible()
    expect_focused(page, "main")
    page.get_by_test_id("nav-objects").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Findings")
    expect_focused(page, "main")
    page.go_back()
    expect(page.get_by_test_id("study-page")).to_be_visible()
    expect_focused(page, "main")
    # Where Tab leads is settled once all of it is there.
    expect(page.get_by_test_id("hold-study")).to_be_visible()
    expect(page.get_by_test_id("stage")).to_have_attribute("data-state", "shown")
    page.keyboard.press("Tab")
    expect_focused(page, "hold-study")
    page.keyboard.press("Tab")
    expect_focused(page, "series")


@pytest.mark.parametrize("close", ["Escape", "its button"])
def test_a_dialog_keeps_the_focus_and_gives_it_back(page: Page, close: str) -> None:
    open_study(page, "CT")
    page.keyboard.press("k")
    discard = page.get_by_test_id("draft-discard")
    discard.press("Enter")
    dialog = page.get_by_test_id("discard-dialog")
    expect(dialog).to_be_visible()
    reached = set()
    for _ in range(8):
        page.keyboard.press("Tab")
        # Between its last and its first control the browser's own have their turn.
        assert focused(page) == "BODY" or page.evaluate("document.activeElement.closest('dialog') !== null")
        reached.add(focused(page))
    assert {"discard-confirm", "button", "icon-button"} <= reached
    # The page behind hears no key.
    page.keyboard.press("End")
    expect(page.get_by_test_id("position")).to_have_value("0")
    if close == "Escape":
        page.keyboard.press("Escape")
    else:
        dialog.get_by_role("button", name="Close").press("Enter")
    expect(dialog).to_have_count(0)
    expect(discard).to_be_focused()


@pytest.mark.parametrize(
    ("address", "search", "row"), [("/", "study-search", "study-row"), ("/notes", "note-search", "note-row")]
)
def test_down_leads_from_the_search_field_to_the_rows(
    page: Page, address: str, search: str, row: str
) -> None:
    page.goto(address)
    expect(page.get_by_test_id(row).first).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_test_id(search)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_test_id(row).first.get_by_role("link").first).to_be_focused()


def test_searching_leaves_the_focus_in_its_field(page: Page) -> None:
    page.goto("/notes")
    page.get_by_test_id("note-search").press_sequentially("nodule")
    expect(page).to_have_url(re.compile("text=nodule"))
    expect(page.get_by_test_id("note-search")).to_be_focused()


def test_loading_more_leaves_the_focus_on_the_page(page: Page, description: str) -> None:
    open_study(page, "CT")
    for number in range(26):
        written_by(page, f"{description} {number}", "Many^Mary")
    page.goto(f"/notes?text={description.split()[-1]}")
    page.get_by_test_id("more-notes").press("Enter")
    expect(page.get_by_test_id("note-row")).to_have_count(26)
    expect_focused(page, "main")


def test_a_save_that_fails_leads_to_what_is_wrong(page: Page, description: str) -> None:
    open_study(page, "CT")
    page.keyboard.press("k")
    fill_draft(page, description, BEST_IN_SET)
    page.get_by_test_id("draft-author").fill("")
    save = page.get_by_test_id("draft-save")
    save.press("Enter")
    expect(page.get_by_test_id("draft-modifiers").locator("input").first).to_be_focused()
    page.keyboard.press("Space")
    save.press("Enter")
    expect(page.get_by_test_id("draft-author")).to_be_focused()
    page.keyboard.type("Fischer^Anna")
    page.route("**/api/v1/studies/*/notes", lambda route: route.abort())
    save.press("Enter")
    expect(page.get_by_test_id("draft-problem")).to_be_focused()
    page.unroute("**/api/v1/studies/*/notes")
    save.press("Enter")
    expect(note_called(page, description)).to_be_visible()
    assert focused(page) == "side"


@pytest.mark.parametrize("act", ["discarded", "withdrawn"])
def test_what_goes_away_leaves_the_focus_beside_it(page: Page, description: str, act: str) -> None:
    open_study(page, "CT")
    if act == "discarded":
        page.keyboard.press("k")
        page.get_by_test_id("draft-discard").press("Enter")
        page.get_by_test_id("discard-confirm").press("Enter")
        expect(page.get_by_test_id("draft")).to_have_count(0)
    else:
        make_note(page, description).get_by_test_id("note-withdraw").press("Enter")
        page.get_by_test_id("withdraw-reason").fill("Marked by mistake")
        page.keyboard.press("Enter")
        expect(note_called(page, description)).to_have_count(0)
    assert focused(page) == "side"

"""The viewer in a real browser against a running Kinote with its demo studies.

`demo_server` is the address of that server. Every test makes the notes it needs, told apart by their description.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.browser.journey import (
    BEST_IN_SET,
    FOR_SURGERY,
    PATIENCE,
    SERIES,
    fill_draft,
    id_of,
    make_note,
    note_called,
    note_resource,
    open_study,
    picture,
    to_position,
    written_by,
)


def test_the_list_shows_studies_and_marks_those_with_notes(page: Page) -> None:
    page.goto("/")
    rows = page.get_by_test_id("study-row")
    mark = page.get_by_test_id("note-mark")
    expect(rows.filter(has=mark).first).to_be_visible()
    marked = rows.filter(has=mark).count()
    page.get_by_test_id("filter-with-notes").click()
    expect(rows.filter(has_not=mark)).to_have_count(0)
    expect(rows).to_have_count(marked)


def test_the_list_counts_images_and_not_their_documents(page: Page, description: str) -> None:
    open_study(page, "CT")
    address = page.url.split("?")[0]
    make_note(page, description)
    # Read anew: the note's document has its series by then.
    page.goto(address)
    expect(note_called(page, description)).to_be_visible()
    expect(page.get_by_test_id("series").first).to_be_visible()
    shown = page.get_by_test_id("series").locator(".series-text").all_inner_texts()
    images = sum(int(number) for text in shown for number in re.findall(r"(\d+) image", text))
    page.goto("/?modality=CT")
    row = page.get_by_test_id("study-row").filter(has=page.locator(f"a[href='{urlsplit(address).path}']"))
    expect(row.get_by_test_id("image-count")).to_have_text(f"{images}in {len(shown)} series")


def test_search_finds_by_the_beginning_of_a_name_and_stays_on_reload(page: Page) -> None:
    page.goto("/")
    name = page.get_by_test_id("study-row").first.get_by_role("link").inner_text()
    word = re.split(r"[\s,]+", name)[0]
    page.keyboard.press("/")
    page.keyboard.type(word[:4])
    expect(page).to_have_url(re.compile(f"text={re.escape(quote(word[:4]))}(&|$)"))
    page.reload()
    expect(page.get_by_test_id("study-search")).to_have_value(word[:4])
    expect(page.get_by_test_id("study-row").first).to_contain_text(word)
    page.get_by_test_id("study-search").fill("no patient is called that")
    expect(page.get_by_test_id("no-studies")).to_be_visible()


def test_arrow_keys_walk_the_list_and_enter_opens_a_study(page: Page) -> None:
    page.goto("/")
    rows = page.get_by_test_id("study-row")
    expect(rows.first).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(rows.nth(0).get_by_role("link")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(rows.nth(1).get_by_role("link")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("study-page")).to_be_visible()


def test_scrolling_shows_other_pictures(page: Page) -> None:
    open_study(page, "CT")
    stage = page.get_by_test_id("stage")
    first = stage.get_attribute("data-sop") or ""
    stage.hover()
    page.mouse.wheel(0, 120)
    expect(page.get_by_test_id("position")).to_have_value("1")
    expect(stage).to_have_attribute("data-state", "shown")
    expect(stage).not_to_have_attribute("data-sop", first)
    page.keyboard.press("End")
    expect(page.get_by_test_id("position")).to_have_value(
        page.get_by_test_id("position").get_attribute("max") or ""
    )


def test_dragging_changes_the_window_and_reset_brings_the_stored_one_back(page: Page) -> None:
    open_study(page, "CT")
    stage = page.get_by_test_id("stage")
    expect(page.get_by_test_id("window-text")).to_contain_text("stored")
    box = stage.bounding_box()
    assert box
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 320, box["y"] + 240, steps=8)
    page.mouse.up()
    expect(picture(page)).to_have_attribute("data-address", re.compile("window="))
    expect(stage).to_have_attribute("data-state", "shown")
    page.keyboard.press("0")
    expect(picture(page)).to_have_attribute("data-address", re.compile("rendered$"))


def test_a_note_is_made_revised_and_withdrawn(page: Page, description: str) -> None:
    open_study(page, "CT")
    to_position(page, 2)
    page.keyboard.press("k")
    expect(page.get_by_test_id("stage-mark-draft")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    expect(page.get_by_test_id("draft-image")).to_have_count(2)
    fill_draft(page, description)
    page.get_by_test_id("draft-save").click()

    saved = note_called(page, description)
    expect(saved).to_be_visible()
    expect(saved.get_by_test_id("note-title")).to_have_text("For Surgery")
    expect(saved.get_by_test_id("note-author")).to_contain_text("Fischer, Anna")
    expect(saved.get_by_test_id("note-origin")).to_have_text("authored here")
    expect(saved.get_by_test_id("tile")).to_have_count(2)
    expect(page.get_by_test_id("draft")).to_be_hidden()
    expect(page.get_by_test_id("stage-mark").first).to_be_visible()

    page.reload()
    saved = note_called(page, description)
    expect(saved).to_be_visible()

    saved.get_by_test_id("note-revise").click()
    page.get_by_test_id("draft-image-later").first.click()
    page.get_by_test_id("draft-description").fill(f"{description} 改訂")
    page.get_by_test_id("draft-save").click()
    revised = note_called(page, f"{description} 改訂")
    expect(revised).to_be_visible()
    expect(revised).to_contain_text("version 2")
    assert note_resource(page, id_of(revised))["version"] == 2

    revised.get_by_test_id("note-withdraw").click()
    expect(page.get_by_test_id("withdraw-confirm")).to_be_disabled()
    page.get_by_test_id("withdraw-reason").fill("Marked by mistake")
    page.get_by_test_id("withdraw-confirm").click()
    expect(page.get_by_test_id("withdraw-dialog")).to_be_hidden()
    expect(note_called(page, description)).to_have_count(0)


def test_who_revises_a_note_is_the_author_of_its_new_version(page: Page, description: str) -> None:
    open_study(page, "CT")
    note_id = written_by(page, description, "Before^Bo")
    page.reload()
    note_called(page, description).get_by_test_id("note-revise").click()
    author = page.get_by_test_id("draft-author")
    expect(author).to_have_value("")
    page.get_by_test_id("draft-description").fill(f"{description} mine")
    page.get_by_test_id("draft-save").click()
    expect(page.get_by_test_id("field-error")).to_have_text("Write your name.")
    author.fill("Now^Nina")
    page.get_by_test_id("draft-save").click()
    expect(note_called(page, f"{description} mine").get_by_test_id("note-author")).to_contain_text(
        "Now, Nina"
    )
    kept = note_resource(page, note_id)["author"]
    assert isinstance(kept, dict)
    assert kept["name"] == "Now^Nina"
    page.keyboard.press("k")
    expect(author).to_have_value("Now^Nina")


def test_withdrawing_asks_for_a_name(page: Page, description: str) -> None:
    open_study(page, "CT")
    written_by(page, description, "Before^Bo")
    page.reload()
    note_called(page, description).get_by_test_id("note-withdraw").click()
    page.get_by_test_id("withdraw-reason").fill("Marked by mistake")
    expect(page.get_by_test_id("withdraw-who")).to_have_value("")
    expect(page.get_by_test_id("withdraw-confirm")).to_be_disabled()
    page.get_by_test_id("withdraw-who").fill("Now^Nina")
    with page.expect_request(lambda request: request.method == "DELETE") as sent:
        page.get_by_test_id("withdraw-confirm").click()
    assert sent.value.header_value("kinote-actor") == "Now%5ENina"
    expect(note_called(page, description)).to_have_count(0)


def test_the_strip_leads_to_the_picture(page: Page, description: str) -> None:
    open_study(page, "CT")
    to_position(page, 4)
    saved = make_note(page, description)
    page.keyboard.press("Home")
    expect(page.get_by_test_id("position")).to_have_value("0")
    saved.get_by_test_id("tile").first.click()
    expect(page.get_by_test_id("position")).to_have_value("4")
    expect(saved.get_by_test_id("tile").first).to_have_attribute("aria-current", "true")


def test_a_deep_link_opens_its_note_and_picture(page: Page, description: str) -> None:
    open_study(page, "CT")
    to_position(page, 3)
    saved = make_note(page, description)
    address = re.compile(rf"note={id_of(saved)}&sop=")
    expect(page).to_have_url(address)
    page.goto(page.url)
    expect(page.get_by_test_id("position")).to_have_value("3")
    expect(note_called(page, description)).to_have_class(re.compile("is-chosen"))


def test_frames_of_a_multi_frame_image_are_starred_one_by_one(page: Page, description: str) -> None:
    open_study(page, "US")
    to_position(page, 6)
    page.keyboard.press("k")
    to_position(page, 2)
    page.keyboard.press("k")
    fill_draft(page, description)
    page.get_by_test_id("draft-save").click()
    saved = note_called(page, description)
    tiles = saved.get_by_test_id("tile")
    expect(tiles).to_have_count(2)
    expect(tiles.nth(0)).to_have_attribute("data-frame", "3")
    expect(tiles.nth(1)).to_have_attribute("data-frame", "7")
    tiles.nth(1).click()
    expect(page).to_have_url(re.compile("frame=7"))


def test_a_hot_key_stars_under_its_title(page: Page) -> None:
    open_study(page, "MR")
    page.keyboard.press("s")
    expect(page.get_by_test_id("draft-title")).to_have_value(FOR_SURGERY)
    expect(page.get_by_test_id("draft-image")).to_have_count(1)


def test_a_title_that_needs_a_modifier_says_so_beside_it(page: Page, description: str) -> None:
    open_study(page, "CT")
    page.keyboard.press("k")
    fill_draft(page, description, BEST_IN_SET)
    page.get_by_test_id("draft-save").click()
    expect(page.get_by_test_id("draft-modifiers").get_by_test_id("field-error")).to_be_visible()
    page.get_by_test_id("draft-modifiers").locator(f"input[value='{SERIES}']").check()
    page.get_by_test_id("draft-save").click()
    expect(note_called(page, description)).to_contain_text("Series")


def test_what_the_server_refuses_is_said_beside_its_field(page: Page, description: str) -> None:
    open_study(page, "CT")
    page.keyboard.press("k")
    fill_draft(page, description)

    def refuse_image(route: object) -> None:
        # The user's list of images is right here; let the request name one that nobody has.
        body = route.request.post_data_json  # type: ignore[attr-defined]
        body["references"][0]["sop_instance_uid"] = "2.25.1"
        route.continue_(post_data=body)  # type: ignore[attr-defined]

    page.route("**/api/v1/studies/*/notes", refuse_image)
    page.get_by_test_id("draft-save").click()
    expect(page.get_by_test_id("draft-image").get_by_test_id("field-error")).to_be_visible()
    expect(page.get_by_test_id("draft-description")).to_have_value(description)


def test_a_note_whose_answer_is_lost_is_made_once(page: Page, description: str) -> None:
    """It is saved again after the page was loaded anew: that is the same act."""
    open_study(page, "CT")
    page.keyboard.press("k")
    fill_draft(page, description)

    def lose_answer(route: Route) -> None:
        if route.request.method == "POST":
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/api/v1/studies/*/notes*", lose_answer)
    page.get_by_test_id("draft-save").click()
    expect(page.get_by_test_id("draft-problem")).to_be_visible()
    page.unroute("**/api/v1/studies/*/notes*")
    page.reload()
    with page.expect_response(lambda answer: answer.request.method == "POST") as asked:
        page.get_by_test_id("draft-save").click()
    assert asked.value.headers["idempotent-replayed"] == "true"
    expect(page.get_by_test_id("draft")).to_be_hidden()
    expect(note_called(page, description)).to_have_count(1)


@pytest.fixture
def other(browser: Browser, demo_server: str) -> Iterator[Page]:
    """The page of somebody else, in a browser that shares no drafts with the first."""
    theirs = browser.new_context(base_url=demo_server, viewport={"width": 1440, "height": 900})
    theirs.set_default_timeout(PATIENCE)
    yield theirs.new_page()
    theirs.close()


def test_a_revision_does_not_overwrite_somebody_elses(page: Page, other: Page, description: str) -> None:
    open_study(page, "CT")
    saved = make_note(page, description)
    other.goto(page.url)
    for somebody, text in ((page, "mine"), (other, "theirs")):
        note_called(somebody, description).get_by_test_id("note-revise").click()
        somebody.get_by_test_id("draft-description").fill(f"{description} {text}")
        somebody.get_by_test_id("draft-author").fill("Fischer^Anna")
    other.get_by_test_id("draft-save").click()
    expect(other.get_by_test_id("draft")).to_be_hidden()

    page.get_by_test_id("draft-save").click()
    dialog = page.get_by_test_id("conflict-dialog")
    expect(dialog).to_contain_text("theirs")
    expect(dialog).to_contain_text("mine")
    page.get_by_test_id("conflict-overwrite").click()
    expect(note_called(page, f"{description} mine")).to_be_visible()
    kept = note_resource(page, id_of(saved))
    assert (kept["version"], kept["description"]) == (3, f"{description} mine")


def test_an_unsaved_draft_survives_a_reload_and_is_discarded_only_when_meant(
    page: Page, description: str
) -> None:
    open_study(page, "CT")
    page.keyboard.press("k")
    fill_draft(page, description)
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(page.get_by_test_id("draft-description")).to_have_value(description)
    expect(page.get_by_test_id("draft-image")).to_have_count(1)
    page.get_by_test_id("draft-discard").click()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("draft-description")).to_have_value(description)
    page.get_by_test_id("draft-discard").click()
    page.get_by_test_id("discard-confirm").click()
    expect(page.get_by_test_id("draft")).to_be_hidden()


def test_a_copy_begins_a_new_note(page: Page, description: str) -> None:
    open_study(page, "CT")
    saved = make_note(page, description)
    saved.get_by_test_id("note-copy").click()
    expect(page.get_by_test_id("draft")).not_to_have_attribute("data-revises", re.compile("."))
    page.get_by_test_id("draft-description").fill(f"{description} 写し")
    page.get_by_test_id("draft-save").click()
    expect(note_called(page, description)).to_have_count(2)


def test_notes_made_elsewhere_appear_without_reloading(
    page: Page, context: BrowserContext, description: str
) -> None:
    open_study(page, "CT")
    other = context.new_page()
    other.goto(page.url)
    expect(other.get_by_test_id("stage")).to_have_attribute("data-state", "shown")
    make_note(other, description)
    page.bring_to_front()
    expect(note_called(page, description)).to_be_visible()


@pytest.mark.parametrize(
    ("path", "heading"),
    [("/held", "Held copies"), ("/findings", "Findings"), ("/studies/2.25.1", "There is no such study")],
)
def test_pages_beside_the_studies(page: Page, path: str, heading: str) -> None:
    page.goto(path)
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)


#: Controls and pictures that a screen reader could not name, and ids that stand twice.
UNNAMED = """() => {
  const text = (element) => (element?.textContent ?? "").trim();
  const named = (element) =>
    element.getAttribute("aria-label")?.trim() ||
    (element.getAttribute("aria-labelledby") ?? "").split(/\\s+/).some((id) => text(document.getElementById(id))) ||
    [...(element.labels ?? [])].some((label) => text(label)) ||
    (element.matches("button, a, summary") && (text(element) || element.querySelector("img[alt]:not([alt=''])"))) ||
    (element.matches("img") && element.hasAttribute("alt")) ||
    element.getAttribute("title")?.trim();
  const controls = "button, a[href], input, select, textarea, img, summary, [role=img], dialog";
  const wrong = [...document.querySelectorAll(controls)]
    .filter((element) => !named(element))
    .map((element) => element.outerHTML.slice(0, 160));
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  const twice = ids.filter((id, index) => ids.indexOf(id) !== index);
  return [...wrong, ...twice.map((id) => `two elements with the id ${id}`)];
}"""


def test_every_control_has_a_name(page: Page, description: str) -> None:
    page.goto("/")
    expect(page.get_by_test_id("study-row").first).to_be_visible()
    assert page.evaluate(UNNAMED) == []
    open_study(page, "CT")
    saved = make_note(page, description)
    page.goto("/notes")
    expect(page.get_by_test_id("note-row").first).to_be_visible()
    assert page.evaluate(UNNAMED) == []
    page.go_back()
    expect(saved).to_be_visible()
    expect(page.get_by_test_id("stage")).to_have_attribute("data-state", "shown")
    page.keyboard.press("k")
    assert page.evaluate(UNNAMED) == []
    page.get_by_test_id("help").click()
    assert page.evaluate(UNNAMED) == []
    page.keyboard.press("Escape")
    saved.get_by_test_id("note-withdraw").click()
    assert page.evaluate(UNNAMED) == []

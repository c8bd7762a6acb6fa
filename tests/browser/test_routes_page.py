"""The pages of routes, destinations and archives: what a route would do, training, tests, planned downtimes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.journey import PATIENCE
from tests.browser.test_layout import MISPLACED
from tests.running_server import RunningServer
from tests.web.objects import STUDY, as_file, image, multipart


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with two destinations, a route in training, and a note that it would send."""
    started = RunningServer(tmp_path_factory.mktemp("routes") / "data")
    try:
        with httpx.Client(base_url=started.url, trust_env=False, timeout=60) as client:
            _fill(client)
        yield started
    finally:
        started.stop()


def _fill(client: httpx.Client) -> None:
    def made(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = client.post(f"/api/v1/{path}", json=body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    numbers = {}
    for name, title in (("Surgery", "SURGERY"), ("Teaching", "TEACHING")):
        endpoint = {"kind": "dimse", "ae_title": title, "host": "127.0.0.1", "port": 1}
        peer = made("peers", {"name": name, "endpoints": [endpoint]})
        key = made("destinations", {"name": name, "endpoint": peer["endpoints"][0]["id"]})["id"]
        numbers[name] = key
        if name == "Teaching":
            answer = client.put(f"/api/v1/archives/{peer['id']}", json={"commitment": "dimse"})
            assert answer.status_code == 200, answer.text
    content, headers = multipart([as_file(image(1)), as_file(image(2))])
    client.post("/dicomweb/studies", content=content, headers=headers)
    made(
        "routes",
        {
            "name": "For surgery",
            "description": "To the operating room",
            "destination": numbers["Surgery"],
            "triggers": ["note made", "note revised"],
            "conditions": {"titles": [{"value": "113004"}], "modalities": ["CT"]},
            "content": "key images",
            "training": True,
        },
    )
    made(
        "routes",
        {
            "name": "Teaching archive",
            "destination": numbers["Teaching"],
            "triggers": ["study quiet"],
            "conditions": {"has_notes": True},
        },
    )
    note = {
        "title": {"scheme": "DCM", "value": "113004"},
        "references": [{"sop_instance_uid": "1.2.3.4.1"}],
        "author": {"name": "Doe^Jane"},
    }
    made(f"studies/{STUDY}/notes", note)


@pytest.fixture
def page(browser: Browser, server: RunningServer) -> Iterator[Page]:
    context = browser.new_context(base_url=server.url, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    yield opened
    context.close()
    assert faults == []


def test_a_route_is_tried_and_its_training_ended(page: Page, tmp_path: Path) -> None:
    page.goto("/routes")
    row = page.locator('[data-route="For surgery"]')
    expect(row.get_by_test_id("route-state")).to_have_text("in training")
    expect(row).to_contain_text("title DCM 113004")
    row.get_by_test_id("route-dry-run").click()
    expect(row.get_by_test_id("dry-run-sum")).to_contain_text("2 objects on 1 occasion")
    row.get_by_test_id("route-results").click()
    # The server acts within seconds; the list is read when it is opened.
    expect(row.get_by_test_id("results")).to_be_visible()
    page.screenshot(path=tmp_path / "routes.png", full_page=True)
    row.get_by_test_id("route-switch-on").click()
    expect(row.get_by_test_id("route-state")).to_have_text("acts")
    row.get_by_test_id("route-enable").click()
    expect(row.get_by_test_id("route-state")).to_have_text("disabled")
    assert page.evaluate(MISPLACED) == []


def test_a_destination_is_tested_and_its_downtime_planned(page: Page, tmp_path: Path) -> None:
    page.goto("/routes")
    page.get_by_test_id("routing-destinations").click()
    row = page.locator('[data-destination="Surgery"]')
    row.get_by_test_id("destination-test").click()
    expect(row.get_by_test_id("destination-answer")).to_contain_text("does not answer")
    row.get_by_test_id("destination-plan").click()
    row.get_by_test_id("downtime-from").fill("2030-01-01T20:00")
    row.get_by_test_id("downtime-until").fill("2030-01-02T06:00")
    row.get_by_test_id("downtime-why").fill("New disks")
    page.screenshot(path=tmp_path / "destinations.png", full_page=True)
    row.get_by_test_id("downtime-save").click()
    expect(row.get_by_test_id("destination-downtime")).to_contain_text("New disks")
    row.get_by_test_id("destination-no-downtime").click()
    expect(row.get_by_test_id("destination-downtime")).to_have_count(0)
    assert page.evaluate(MISPLACED) == []


def test_an_archive_says_why_nothing_is_evicted_on_its_word(page: Page, tmp_path: Path) -> None:
    page.goto("/routes")
    page.get_by_test_id("routing-archives").click()
    row = page.locator('[data-archive="Teaching"]')
    expect(row.get_by_test_id("archive-state")).to_have_text("not relied upon yet")
    expect(row.get_by_test_id("archive-evidence")).to_contain_text("0 objects committed")
    row.get_by_test_id("archive-requests").click()
    expect(row.get_by_test_id("archive-request-list")).to_contain_text("not been asked")
    # It has nothing that it could give back.
    row.get_by_test_id("archive-prove").click()
    expect(row).to_contain_text("committed to no object")
    row.get_by_test_id("archive-ask").click()
    expect(row.get_by_test_id("archive-said")).to_contain_text("asks for commitment")
    page.screenshot(path=tmp_path / "archives.png", full_page=True)


def test_the_pages_fit_a_telephone(page: Page, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for name in ("routes", "destinations", "archives"):
        page.goto(f"/routes?view={name}")
        expect(page.locator("[data-route], [data-destination], [data-archive]").first).to_be_visible()
        page.screenshot(path=tmp_path / f"{name}-narrow.png", full_page=True)
        assert page.evaluate(MISPLACED) == []

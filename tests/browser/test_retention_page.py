"""The pages of retention: the cache, rules, plans, holds and evictions; and a hold from the page of a study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.journey import PATIENCE
from tests.browser.test_layout import MISPLACED
from tests.running_server import RunningServer
from tests.web.objects import STUDY, as_file, image, multipart

RULES = {
    "rules": [
        {
            "name": "key images",
            "action": "keep",
            "when": {"part": "key images"},
            "share": {"percent": 10, "of": "objects"},
        },
        {
            "name": "old CT",
            "action": "go first",
            "when": {"modalities": ["CT"], "study_older_than_days": 730},
        },
    ],
    "bounds": {"unit": "percent", "upper": 85, "lower": 75},
    "mode": "training",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with two images and rules in training."""
    started = RunningServer(tmp_path_factory.mktemp("retention") / "data")
    try:
        with httpx.Client(base_url=started.url, trust_env=False, timeout=60) as client:
            content, headers = multipart([as_file(image(1)), as_file(image(2))])
            client.post("/dicomweb/studies", content=content, headers=headers)
            saved = client.put("/api/v1/retention/rules", json=RULES, headers={"If-Match": '"0"'})
            assert saved.status_code == 200, saved.text
            # All is counted before a plan is made; arrivals are measured from the first time on.
            for number in (3, 4):
                made = client.post("/api/v1/retention/plans", json={"bytes": 1})
                assert made.json()["counted"] is True
                content, headers = multipart([as_file(image(number))])
                client.post("/dicomweb/studies", content=content, headers=headers)
            client.post("/api/v1/retention/plans", json={"bytes": 1})
        yield started
    finally:
        started.stop()


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


def test_the_cache_its_rules_and_a_plan_are_shown(page: Page, tmp_path: Path) -> None:
    page.goto("/retention")
    expect(page.get_by_test_id("cache-numbers")).to_contain_text("of images in the cache")
    expect(page.get_by_test_id("cache-forecast")).to_contain_text("the volume is")
    expect(page.get_by_test_id("no-archives")).to_be_visible()
    expect(page.get_by_test_id("arrivals-chart").locator("rect")).to_have_count(1)
    page.screenshot(path=tmp_path / "cache.png", full_page=True)
    assert page.evaluate(MISPLACED) == []
    page.get_by_test_id("retention-rules").click()
    expect(page.get_by_test_id("retention-mode")).to_contain_text("Above 85 %")
    rule = page.locator('[data-rule="key images"]')
    expect(rule).to_contain_text("at least 10 % of the objects in the cache")
    expect(page.get_by_test_id("rule-row")).to_have_count(3)
    page.screenshot(path=tmp_path / "rules.png", full_page=True)
    page.get_by_test_id("retention-plans").click()
    page.get_by_test_id("make-plan").click()
    expect(page.get_by_test_id("plan-hindrance")).to_contain_text("no archive is in use")
    expect(page.get_by_test_id("plan-row")).to_have_count(4)
    page.screenshot(path=tmp_path / "plans.png", full_page=True)
    page.get_by_test_id("retention-evictions").click()
    expect(page.get_by_test_id("no-evictions")).to_be_visible()
    assert page.evaluate(MISPLACED) == []


def test_a_study_is_put_on_hold_and_the_hold_ended(page: Page, tmp_path: Path) -> None:
    page.goto(f"/studies/{STUDY}")
    page.get_by_test_id("hold-study").click()
    page.get_by_test_id("hold-dialog-reason").fill("Case 17/2026")
    page.get_by_test_id("hold-dialog-who").fill("Roe^Richard")
    page.screenshot(path=tmp_path / "hold.png")
    page.get_by_test_id("hold-dialog-confirm").click()
    expect(page.get_by_test_id("hold-dialog-confirm")).to_have_count(0)
    page.goto("/retention?view=holds")
    row = page.get_by_test_id("hold-row")
    expect(row).to_contain_text("Case 17/2026")
    expect(row).to_contain_text("Roe^Richard")
    page.screenshot(path=tmp_path / "holds.png", full_page=True)
    assert page.evaluate(MISPLACED) == []
    row.get_by_test_id("end-hold").click()
    page.get_by_test_id("end-hold-dialog-reason").fill("Settled")
    page.get_by_test_id("end-hold-dialog-who").fill("Roe^Richard")
    page.get_by_test_id("end-hold-dialog-confirm").click()
    expect(page.get_by_test_id("no-holds")).to_be_visible()


def test_the_pages_of_retention_fit_a_telephone(page: Page, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for name in ("cache", "rules"):
        page.goto(f"/retention?view={name}")
        expect(page.get_by_test_id("retention-cache")).to_be_visible()
        expect(page.locator("[data-testid=cache-numbers], [data-testid=rule-list]")).to_be_visible()
        page.screenshot(path=tmp_path / f"{name}-narrow.png", full_page=True)
        assert page.evaluate(MISPLACED) == []

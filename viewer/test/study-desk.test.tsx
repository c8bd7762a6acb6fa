// @vitest-environment happy-dom
// The desk with a viewport that draws nothing: whatever draws images fits behind the same interface.
import { act } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { StudyDesk } from "../src/desk/study-desk";
import { AnnouncerProvider } from "../src/parts/announcer";
import { FITTED } from "../src/viewport/view";
import { instance, series, study, TITLES } from "./examples";
import { FakeViewport } from "./fake-viewport";
import { byTestId, click, has, mount, press, type } from "./page";

const STUDY = study([
  series("1.1", [instance("1.1.1"), instance("1.1.2"), instance("1.1.3")]),
  series("1.2", [instance("1.2.1", 4)]),
]);

const FACTS = { own: [], start: { center: 40, width: 400 }, adjustable: true };

beforeEach(() => {
  vi.stubGlobal("fetch", async () => Response.json({ items: [], next: null }));
});
afterEach(() => vi.unstubAllGlobals());

/** The desk at an address, with the viewports it has made. */
async function desk(
  address = "/studies/1",
  names: readonly [string, ...string[]] = ["main"],
): Promise<[FakeViewport, ...FakeViewport[]]> {
  window.history.replaceState(null, "", address);
  const made: FakeViewport[] = [];
  const create = () => {
    const viewport = new FakeViewport();
    made.push(viewport);
    return viewport;
  };
  await mount(
    <AnnouncerProvider>
      <StudyDesk study={STUDY} titles={TITLES} createViewport={create} viewports={names} />
    </AnnouncerProvider>,
  );
  return made as [FakeViewport, ...FakeViewport[]];
}

const become = (viewport: FakeViewport, part: Parameters<FakeViewport["become"]>[0]) =>
  act(async () => viewport.become(part));

const pointer = (name: string, on: HTMLElement, init: MouseEventInit) =>
  act(async () => {
    on.dispatchEvent(new PointerEvent(name, { bubbles: true, cancelable: true, ...init }));
  });

test("a viewport is attached once, and asked for the first image", async () => {
  const [viewport, ...others] = await desk();
  expect(others).toEqual([]);
  expect(byTestId("stage").contains(viewport.element)).toBe(true);
  expect(viewport.asked).toEqual(["1.1.1", null]);
  expect(viewport.stack?.images.map((image) => image.sop)).toEqual(["1.1.1", "1.1.2", "1.1.3"]);
});

test("a deep link leads to its frame", async () => {
  const [viewport] = await desk("/studies/1?sop=1.2.1&frame=3");
  expect(viewport.asked).toEqual(["1.2.1", 3]);
});

test("leaving the desk detaches it", async () => {
  const viewport = new FakeViewport();
  const page = await mount(
    <StudyDesk study={STUDY} titles={TITLES} createViewport={() => viewport} />,
  );
  expect(viewport.element).not.toBeNull();
  await page.unmount();
  expect(viewport.element).toBeNull();
});

test.each<[string[], string, number | null]>([
  [["ArrowDown"], "1.1.2", null],
  [["End"], "1.1.3", null],
  [["PageDown", "ArrowUp"], "1.1.2", null],
  [["]", "ArrowRight"], "1.2.1", 2],
  [["]", "["], "1.1.1", null],
])("the keys %s lead to %s, frame %s", async (keys, sop, frame) => {
  const [viewport] = await desk();
  for (const key of keys) await press(key);
  expect(viewport.asked).toEqual([sop, frame]);
});

test("the wheel scrolls, and zooms with Ctrl", async () => {
  const [viewport] = await desk();
  const turn = (deltaY: number, ctrlKey: boolean) =>
    act(async () => {
      const event = new WheelEvent("wheel", { deltaY, cancelable: true });
      // In happy-dom a wheel event is no mouse event.
      Object.defineProperty(event, "ctrlKey", { value: ctrlKey });
      byTestId("stage").dispatchEvent(event);
    });
  await turn(120, false);
  expect(viewport.asked).toEqual(["1.1.2", null]);
  await turn(-120, true);
  expect(viewport.getState().view.zoom).toBeCloseTo(1.15);
  expect(viewport.asked).toEqual(["1.1.2", null]);
});

test("an image that is loading, shown or failed is said to be", async () => {
  const [viewport] = await desk();
  const stage = byTestId("stage");
  expect([stage.dataset.state, stage.dataset.sop]).toEqual(["shown", "1.1.1"]);
  expect(stage.querySelector('[role="img"]')?.getAttribute("aria-label")).toBe("CT · 1");
  await become(viewport, { loading: true });
  expect(stage.dataset.state).toBe("loading");
  const image = viewport.stack?.images[1];
  if (!image) throw new Error("the desk has handed over no second image");
  await become(viewport, { loading: false, shown: { image, failure: "It has no pixels" } });
  expect([stage.dataset.state, stage.dataset.sop]).toEqual(["failed", "1.1.2"]);
  expect(stage.querySelector('[role="alert"]')?.textContent).toContain("It has no pixels");
});

test("toolbar and keys work on the viewport, and show what it has become", async () => {
  const [viewport] = await desk();
  await become(viewport, { windowFacts: FACTS });
  expect(byTestId("window-text").textContent).toBe("C 40  W 400 (stored)");
  const select = byTestId<HTMLSelectElement>("window-preset");
  const lung = [...select.options].find((option) => option.textContent?.startsWith("Lung"));
  await type(select, lung?.value ?? "");
  expect(viewport.getState().window).toEqual({ center: -600, width: 1500 });
  expect(byTestId("window-text").textContent).toBe("C -600  W 1500");
  await press("+");
  await press("v");
  expect(viewport.getState()).toMatchObject({ view: { zoom: 1.25 }, inverted: true });
  expect(document.querySelector(".tool-number")?.textContent).toBe("125 %");
  await press("o");
  expect(viewport.getState().overlays).toBe(false);
  expect(byTestId("overlays").getAttribute("aria-pressed")).toBe("false");
  await press("0");
  expect(viewport.getState()).toMatchObject({ view: FITTED, inverted: false, overlays: true, window: null });
  await click(byTestId("overlays"));
  expect(viewport.getState().overlays).toBe(false);
});

test("dragging changes the window from the one in force, Shift moves the picture", async () => {
  const [viewport] = await desk();
  const stage = byTestId("stage");
  await become(viewport, { windowFacts: FACTS });
  await pointer("pointerdown", stage, { clientX: 10, clientY: 10 });
  await pointer("pointermove", stage, { clientX: 30, clientY: 5 });
  await pointer("pointerup", stage, {});
  expect(viewport.getState().window).toEqual({ center: 35, width: 420 });
  await pointer("pointerdown", stage, { clientX: 10, clientY: 10, shiftKey: true });
  await pointer("pointermove", stage, { clientX: 30, clientY: 5 });
  await pointer("pointerup", stage, {});
  expect(viewport.getState().view).toEqual({ zoom: 1, x: 20, y: -5 });
  await pointer("pointermove", stage, { clientX: 99, clientY: 99 });
  expect(viewport.getState().view).toEqual({ zoom: 1, x: 20, y: -5 });
});

test("a colour image has no window to drag, and none to choose", async () => {
  const [viewport] = await desk();
  await become(viewport, { windowFacts: { ...FACTS, adjustable: false } });
  expect([has("window-text"), has("window-preset")]).toEqual([false, false]);
  const stage = byTestId("stage");
  await pointer("pointerdown", stage, { clientX: 10, clientY: 10 });
  await pointer("pointermove", stage, { clientX: 30, clientY: 5 });
  expect(viewport.getState().window).toBeNull();
});

test("what cannot be shown can be starred", async () => {
  const [viewport] = await desk("/studies/1?sop=1.1.2");
  const image = viewport.stack?.images[1];
  if (!image) throw new Error("the desk has handed over no second image");
  await become(viewport, { shown: { image, failure: "It has no pixels" } });
  await press("k");
  expect(byTestId("draft-image").dataset.sop).toBe("1.1.2");
  expect(has("stage-mark-draft")).toBe(true);
});

test("of two viewports the active one is spoken to, and the other one stays as it is", async () => {
  const [left, right] = await desk("/studies/1", ["left", "right"]);
  if (!right) throw new Error("the desk has made one viewport only");
  const stages = [...document.querySelectorAll<HTMLElement>('[data-testid="stage"]')];
  expect(stages.map((stage) => stage.contains(left.element))).toEqual([true, false]);
  await press("ArrowDown");
  await press("v");
  expect([left.asked, right.asked]).toEqual([["1.1.2", null], ["1.1.1", null]]);
  await pointer("pointerdown", stages[1] as HTMLElement, { button: 2 });
  await press("]");
  await press("+");
  expect([left.asked, right.asked]).toEqual([["1.1.2", null], ["1.2.1", 1]]);
  expect(left.getState()).toMatchObject({ inverted: true, view: { zoom: 1 } });
  expect(right.getState()).toMatchObject({ inverted: false, view: { zoom: 1.25 } });
  await press("k");
  expect(byTestId("draft-image").dataset.sop).toBe("1.2.1");
  await click(byTestId("reset"));
  expect(left.getState().inverted).toBe(true);
  expect(right.getState().view).toEqual(FITTED);
});

test("a study without pictures says so, and can be read", async () => {
  await mount(
    <StudyDesk
      study={study([series("1.9", [instance("1.9.1", 1, false)])])}
      titles={TITLES}
      createViewport={() => new FakeViewport()}
    />,
  );
  expect(document.querySelector(".picture-area")?.textContent).toBe("This study has no pictures.");
  await press("k");
  await press("ArrowDown");
  expect(has("draft")).toBe(false);
});

test("an image is starred as it looks, where that differs from how it was stored", async () => {
  const [viewport] = await desk();
  await become(viewport, { windowFacts: FACTS });
  await press("k");
  expect(has("draft-look")).toBe(false);
  await press("k");
  await become(viewport, { window: { center: -600, width: 1500 }, inverted: true });
  viewport.area = { left: 1, upper: 1, right: 9, lower: 9 };
  await press("k");
  expect(byTestId("draft-look").textContent).toContain("C -600 W 1500, inverted, enlarged");
  await click(byTestId("draft-as-stored"));
  expect(has("draft-look")).toBe(false);
});

test("who does not want it stars images as stored", async () => {
  const [viewport] = await desk();
  await press("k");
  await click(byTestId("draft-keep-look"));
  await press("ArrowDown");
  await become(viewport, { window: { center: -600, width: 1500 } });
  await press("k");
  expect(has("draft-look")).toBe(false);
});

test("the key L shows an image as stored, and as the note wants it", async () => {
  const [viewport] = await desk();
  await press("l");
  expect(viewport.getState().presented).toBe(false);
  await press("l");
  expect(viewport.getState().presented).toBe(true);
});

test("an image that is shown with the state of a note is starred with that state", async () => {
  const [viewport] = await desk();
  const image = viewport.stack?.images[0];
  if (!image) throw new Error("the desk has handed over no image");
  await become(viewport, { shown: { image: { ...image, presentationState: "1.77" }, failure: null }, inverted: true });
  await press("k");
  expect(byTestId("draft-look").textContent).toContain("as in the note");
});

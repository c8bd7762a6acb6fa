// @vitest-environment happy-dom
// The pictures themselves are looked at in tests/browser; here: what is asked of the server, and when.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createRenderedViewport } from "../src/viewport/rendered/rendered-viewport";
import type { ImageStack, Viewport } from "../src/viewport/viewport";

type Answer = Response | Promise<Response>;

const METADATA = { "00280002": { Value: [1] }, "00281050": { Value: [40] }, "00281051": { Value: [400] } };

let asked: string[] = [];
let resize: (width: number) => void = () => {};
/** Answers to pictures, in place of one that comes at once. */
let answers = new Map<string, Answer>();
// The pictures of one test must not be there already in the next one.
let turn = 0;

class Observer {
  constructor(callback: ResizeObserverCallback) {
    resize = (width) => {
      const target = { clientWidth: width, clientHeight: width };
      callback([{ target } as unknown as ResizeObserverEntry], this as unknown as ResizeObserver);
    };
  }
  observe(): void {}
  disconnect(): void {}
}

function stackOf(series: string, count = 3): ImageStack {
  const image = (index: number) => ({
    study: `9.${turn}`,
    series,
    sop: `${series}.${index}`,
    frame: null,
    rows: 512,
    columns: 512,
    caption: `Image ${index}`,
    presentationState: null,
  });
  return { series, images: Array.from({ length: count }, (_, index) => image(index)) };
}

beforeEach(() => {
  asked = [];
  answers = new Map();
  turn++;
  vi.stubGlobal("ResizeObserver", Observer);
  vi.stubGlobal("createImageBitmap", async () => ({ width: 512, height: 512 }));
  vi.stubGlobal("fetch", async (address: string) => {
    const short = address.replace(/.*instances\//, "");
    asked.push(short);
    if (short.endsWith("/metadata")) return Response.json([METADATA]);
    return answers.get(short) ?? new Response("a picture");
  });
});
afterEach(() => vi.unstubAllGlobals());

function attached(): Viewport {
  const viewport = createRenderedViewport();
  viewport.attach(document.createElement("div"));
  resize(500);
  return viewport;
}

const settled = (viewport: Viewport, sop: string) =>
  vi.waitFor(() => {
    const { shown, loading } = viewport.getState();
    expect([shown?.image.sop, loading]).toEqual([sop, false]);
  });

/** An answer that comes when the test says so. */
function held(address: string): (response: Response) => void {
  let give: (response: Response) => void = () => {};
  answers.set(address, new Promise((resolve) => (give = resolve)));
  return give;
}

test("nothing is asked for before there is a place to draw in", async () => {
  const viewport = createRenderedViewport();
  viewport.show(stackOf("1.1"), 0);
  expect(asked.filter((address) => address.endsWith("/rendered"))).toEqual([]);
  viewport.attach(document.createElement("div"));
  resize(500);
  await settled(viewport, "1.1.0");
});

test("the image before stays until the one asked for has come", async () => {
  const viewport = attached();
  const stack = stackOf("1.1");
  viewport.show(stack, 0);
  await settled(viewport, "1.1.0");
  const give = held("1.1.1/rendered");
  viewport.show(stack, 1);
  expect(viewport.getState()).toMatchObject({ shown: { image: stack.images[0] }, loading: true });
  give(new Response("a picture"));
  await settled(viewport, "1.1.1");
});

test("while one is on its way, only the image wanted by then is asked for next", async () => {
  const viewport = attached();
  const stack = stackOf("1.1", 9);
  const give = held("1.1.0/rendered");
  for (const index of [0, 3, 5, 7]) viewport.show(stack, index);
  give(new Response("a picture"));
  await settled(viewport, "1.1.7");
  const pictures = asked.filter((address) => address.endsWith("/rendered"));
  expect(pictures.slice(0, 2)).toEqual(["1.1.0/rendered", "1.1.7/rendered"]);
});

test("an image that cannot be had is said to fail, and is asked for again when one comes back to it", async () => {
  const viewport = attached();
  const stack = stackOf("1.1");
  answers.set("1.1.1/rendered", Response.json({ title: "No pixels", detail: "It has none" }, { status: 406 }));
  viewport.show(stack, 1);
  await settled(viewport, "1.1.1");
  expect(viewport.getState().shown?.failure).toBe("It has none");
  viewport.show(stack, 0);
  await settled(viewport, "1.1.0");
  expect(viewport.getState().shown?.failure).toBeNull();
  answers.delete("1.1.1/rendered");
  viewport.show(stack, 1);
  await settled(viewport, "1.1.1");
  expect(viewport.getState().shown?.failure).toBeNull();
});

test("the window belongs to the series, and what its images propose is read once", async () => {
  const viewport = attached();
  viewport.show(stackOf("1.1"), 0);
  await vi.waitFor(() => expect(viewport.getState().windowFacts?.start).toMatchObject({ center: 40, width: 400 }));
  viewport.setWindow({ center: 10, width: 20 });
  await vi.waitFor(() => expect(asked).toContain("1.1.0/rendered?window=10,20,linear"));
  viewport.show(stackOf("1.2"), 0);
  expect(viewport.getState()).toMatchObject({ window: null, windowFacts: null });
  await vi.waitFor(() => expect(viewport.getState().windowFacts).not.toBeNull());
  viewport.show(stackOf("1.1"), 1);
  expect(viewport.getState()).toMatchObject({ window: { center: 10, width: 20 }, windowFacts: { adjustable: true } });
  await settled(viewport, "1.1.1");
  expect(asked.filter((address) => address.endsWith("/metadata"))).toHaveLength(2);
});

test("the pictures around are made ready once scrolling pauses, those ahead first", async () => {
  const viewport = attached();
  const stack = stackOf("1.1", 20);
  viewport.show(stack, 10);
  viewport.show(stack, 9);
  await settled(viewport, "1.1.9");
  // Six ahead, which is backwards now, two behind; the tenth was on its way already.
  const around = [8, 7, 11, 6, 5, 4, 3].map((index) => `1.1.${index}/rendered`);
  await vi.waitFor(() => expect(asked).toEqual(expect.arrayContaining(around)));
  expect(asked).not.toContain("1.1.12/rendered");
  expect(asked.indexOf("1.1.8/rendered")).toBeLessThan(asked.indexOf("1.1.11/rendered"));
});

test("detached it asks for nothing more; attached again it shows what was asked for", async () => {
  const viewport = attached();
  const stack = stackOf("1.1");
  const give = held("1.1.0/rendered");
  viewport.show(stack, 0);
  viewport.detach();
  give(new Response("a picture"));
  viewport.show(stack, 1);
  await new Promise((resolve) => setTimeout(resolve, 0));
  expect(asked).not.toContain("1.1.1/rendered");
  expect(viewport.getState().shown).toBeNull();
  const place = document.createElement("div");
  viewport.attach(place);
  resize(500);
  await settled(viewport, "1.1.1");
  expect(place.querySelector("canvas")?.dataset.address).toContain("1.1.1/rendered");
});

test("an image is asked for with the state of its note, unless it is wanted as stored", async () => {
  const viewport = attached();
  const stack = stackOf("1.1", 1);
  const [image] = stack.images;
  if (!image) throw new Error("the stack has no image");
  viewport.show({ ...stack, images: [{ ...image, presentationState: "1.77" }] }, 0);
  await settled(viewport, "1.1.0");
  expect(asked).toContain("1.1.0/rendered?presentationUID=1.77");
  viewport.setPresented(false);
  await vi.waitFor(() => expect(asked).toContain("1.1.0/rendered"));
});

test("the part that is seen is said in columns and rows of the image", () => {
  const viewport = attached();
  expect(viewport.visibleArea()).toBeNull();
  viewport.show(stackOf("1.1"), 0);
  // All of it, also if it is small.
  expect(viewport.visibleArea()).toBeNull();
  viewport.setView({ zoom: 0.5, x: 0, y: 0 });
  expect(viewport.visibleArea()).toBeNull();
  viewport.setView({ zoom: 2, x: 0, y: 0 });
  expect(viewport.visibleArea()).toEqual({ left: 129, upper: 129, right: 384, lower: 384 });
  viewport.setView({ zoom: 2, x: 500, y: 0 });
  expect(viewport.visibleArea()).toEqual({ left: 1, upper: 129, right: 128, lower: 384 });
  // Out of sight altogether.
  viewport.setView({ zoom: 1, x: 5000, y: 0 });
  expect(viewport.visibleArea()).toBeNull();
});

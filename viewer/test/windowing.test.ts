import { expect, test } from "vitest";
import { placed, sideFor } from "../src/viewport/rendered/fitting";
import { windowFacts } from "../src/viewport/rendered/window-facts";
import { zoomAbout } from "../src/viewport/view";
import { dragged } from "../src/viewport/window";

test("windows of the root, with their names", () => {
  const facts = windowFacts({
    "00280002": { Value: [1] },
    "00281050": { Value: [40, -600] },
    "00281051": { Value: [400, 1500] },
    "00281055": { Value: ["SOFT"] },
  });
  expect(facts.own).toEqual([
    { name: "SOFT", center: 40, width: 400 },
    { name: "Stored 2", center: -600, width: 1500 },
  ]);
  expect([facts.start.center, facts.adjustable]).toEqual([40, true]);
});

test("windows of an enhanced image stand in its functional groups", () => {
  const group = { "00289132": { Value: [{ "00281050": { Value: [100] }, "00281051": { Value: [200] } }] } };
  expect(windowFacts({ "52009229": { Value: [group] } }).own).toEqual([
    { name: "Stored 1", center: 100, width: 200 },
  ]);
});

test.each<[string, Record<string, { Value: unknown[] }>, number, number]>([
  ["unsigned", { "00280101": { Value: [12] } }, 2048, 4096],
  ["signed", { "00280101": { Value: [16] }, "00280103": { Value: [1] } }, 0, 65536],
  ["rescaled", { "00280101": { Value: [12] }, "00281052": { Value: [-1024] } }, 1024, 4096],
])("without a window dragging starts from the whole range: %s", (_, data, center, width) => {
  expect(windowFacts(data).start).toEqual({ center, width });
});

test("a colour image has no window to change", () => {
  expect(windowFacts({ "00280002": { Value: [3] } }).adjustable).toBe(false);
});

test("dragging: to the right wider, down a higher centre, never narrower than 1", () => {
  expect(dragged({ center: 40, width: 400 }, 10, 5)).toEqual({ center: 45, width: 410 });
  expect(dragged({ center: 40, width: 400 }, -9999, 0).width).toBe(1);
});

test("zooming keeps the point under the pointer where it is", () => {
  const view = zoomAbout({ zoom: 1, x: 0, y: 0 }, 2, 100, 50);
  expect(view).toEqual({ zoom: 2, x: -100, y: -50 });
  expect(zoomAbout({ zoom: 16, x: 3, y: 4 }, 2, 100, 50)).toEqual({ zoom: 16, x: 3, y: 4 });
});

test("a picture is fitted and centred", () => {
  expect(placed({ width: 100, height: 50 }, { width: 400, height: 400 }, { zoom: 1, x: 0, y: 0 })).toEqual({
    x: 0,
    y: 100,
    width: 400,
    height: 200,
    scale: 4,
  });
});

test.each<[number, number, number, number | null]>([
  [512, 800, 1, null],
  [3000, 800, 1, 1024],
  [3000, 800, 4, null],
  [3000, 100, 1, 512],
])("an image of %i on a stage of %i at zoom %i asks for %s", (rows, stage, zoom, expected) => {
  expect(sideFor({ rows, columns: 100 }, { width: stage, height: 10 }, zoom, 1)).toBe(expected);
});

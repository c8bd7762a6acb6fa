import { expect, test } from "vitest";
import {
  findSpot,
  imageSeries,
  neighbours,
  nextMarked,
  otherSeries,
  positionsOf,
  wheelSteps,
} from "../src/model/positions";
import { instance, series, study } from "./examples";

const cine = series("1.2", [instance("b"), instance("m", 3), instance("sr", 1, false)]);
const flat = series("1.1", [instance("a")]);
const report = series("1.3", [instance("x", 1, false)]);
const whole = study([flat, cine, report]);

test("every frame of a multi-frame image is a position, a single image is one without frame, others are none", () => {
  expect(positionsOf(cine).map(({ instance: image, frame }) => [image.sop_instance_uid, frame])).toEqual([
    ["b", null],
    ["m", 1],
    ["m", 2],
    ["m", 3],
  ]);
});

test("series with and without pictures", () => {
  expect(imageSeries(whole)).toEqual([flat, cine]);
  expect(otherSeries(whole)).toEqual([report]);
});

test.each<[string, number | null, [string, number] | null]>([
  ["a", null, ["1.1", 0]],
  ["m", 2, ["1.2", 2]],
  ["m", null, ["1.2", 1]],
  ["m", 99, ["1.2", 1]],
  ["a", 4, ["1.1", 0]],
  ["x", null, null],
  ["nowhere", null, null],
])("finding %s, frame %s", (sop, frame, expected) => {
  const spot = findSpot(whole, sop, frame);
  expect(spot && [spot.series.series_instance_uid, spot.index]).toEqual(expected);
});

test.each<[number, number, 1 | -1, number[]]>([
  [5, 20, 1, [6, 4, 7, 3, 8]],
  [5, 20, -1, [4, 6, 3, 7, 2]],
  [0, 3, 1, [1, 2]],
  [0, 1, 1, []],
])("neighbours of %i among %i going %i", (index, count, direction, expected) => {
  expect(neighbours(index, count, direction, 3, 2)).toEqual(expected);
});

test.each<[number[], number, 1 | -1, number | null]>([
  [[3, 9], 3, 1, 9],
  [[9, 3], 9, 1, 3],
  [[3, 9], 5, -1, 3],
  [[3, 9], 3, -1, 9],
  [[], 3, 1, null],
])("the marked position after %j at %i going %i", (marked, index, direction, expected) => {
  expect(nextMarked(marked, index, direction)).toBe(expected);
});

test("small movements of a touch pad add up, a notch is one step, turning back starts anew", () => {
  let rest = 0;
  const steps = [20, 20, 20, 20].map((delta) => {
    const moved = wheelSteps(rest, delta, 0);
    rest = moved.rest;
    return moved.steps;
  });
  expect([steps, rest]).toEqual([[0, 0, 1, 0], 30]);
  expect(wheelSteps(0, 100, 0)).toEqual({ steps: 1, rest: 0 });
  expect(wheelSteps(0, -120, 0)).toEqual({ steps: -1, rest: 0 });
  expect(wheelSteps(0, 360, 0)).toEqual({ steps: 3, rest: 0 });
  expect(wheelSteps(0, 3, 1)).toEqual({ steps: 1, rest: 0 });
  expect(wheelSteps(40, -20, 0)).toEqual({ steps: 0, rest: -20 });
});

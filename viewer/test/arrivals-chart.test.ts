import { expect, test } from "vitest";
import { daysOf } from "../src/retention/arrivals-chart";

const hour = (at: string, bytes: number) => ({ hour: `${at}:00:00.000000+00:00`, bytes, objects: 1 });

test("hours are summed by day, and days on which nothing came are shown", () => {
  expect(daysOf([])).toEqual([]);
  expect(daysOf([hour("2026-11-01T23", 5), hour("2026-11-01T02", 1), hour("2026-11-03T00", 7)])).toEqual([
    ["2026-11-01", 6],
    ["2026-11-02", 0],
    ["2026-11-03", 7],
  ]);
});

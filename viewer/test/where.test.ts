import { expect, test } from "vitest";
import { type DeskAction, deskOf, deskReducer } from "../src/desk/where";

const two = deskOf(["left", "right"], { series: "1.1", index: 3 });
const after = (...actions: DeskAction[]) => actions.reduce(deskReducer, two);

test("the first viewport is active, and all look at the same place", () => {
  expect(two.active).toBe("left");
  expect(two.where).toEqual({ left: { series: "1.1", index: 3 }, right: { series: "1.1", index: 3 } });
});

test("one viewport moves, the other one stays", () => {
  const { where, active } = after(
    { kind: "scroll", viewport: "right", steps: 2, count: 10 },
    { kind: "go", viewport: "left", where: { series: "1.2", index: 0 } },
  );
  expect(where).toEqual({ left: { series: "1.2", index: 0 }, right: { series: "1.1", index: 5 } });
  expect(active).toBe("left");
});

test.each<[string, DeskAction, number]>([
  ["scrolling past the end", { kind: "scroll", viewport: "left", steps: 99, count: 10 }, 9],
  ["scrolling past the beginning", { kind: "scroll", viewport: "left", steps: -99, count: 10 }, 0],
  ["an index past the end", { kind: "index", viewport: "left", index: 99, count: 10 }, 9],
])("%s stops there", (_, action, index) => {
  expect(after(action).where.left).toEqual({ series: "1.1", index });
});

test("another viewport becomes active without moving any", () => {
  const { active, where } = after({ kind: "activate", viewport: "right" });
  expect(active).toBe("right");
  expect(where).toEqual(two.where);
});

test("a viewport that is not there changes nothing", () => {
  expect(after({ kind: "activate", viewport: "gone" })).toBe(two);
});

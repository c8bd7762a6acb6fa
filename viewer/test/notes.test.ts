import { expect, test } from "vitest";
import { marksOf, notesAt, shownNotes, statesIn, tilesOf, titlesPresent, worst } from "../src/model/notes";
import { titleGroups, titleOfKey } from "../src/model/titles";
import { MANIFEST, note, OF_INTEREST, reference, TITLES } from "./examples";

const older = note({ id: 1, created: "2026-11-01T10:00:00Z" });
const newer = note({
  id: 2,
  created: "2026-11-02T10:00:00Z",
  references: [reference("m", [3, 7]), reference("a")],
});
const manifest = note({ id: 3, title: MANIFEST, references: [reference("z")] });
const withdrawn = note({ id: 4, standing: "withdrawn", references: [reference("w")] });
const unreadable = note({
  id: 5,
  title: null,
  created: "2026-11-09T10:00:00Z",
  references: [],
  key_objects: [{ sop_instance_uid: "2.25.9", study_instance_uid: "1", registration: "unreadable" }],
});
const foreign = note({ id: 6, references: [reference("f", null, { status: "foreign" })] });
const all = [older, unreadable, newer, manifest, withdrawn];

test("notes newest first, placeholders last; manifests and what is withdrawn only with everything", () => {
  expect(shownNotes(all, TITLES, false).map(({ id }) => id)).toEqual([2, 1, 5]);
  expect(shownNotes(all, TITLES, true).map(({ id }) => id)).toEqual([3, 4, 2, 1, 5]);
});

test("a note without title but with images is a note", () => {
  const untitled = note({ id: 7, title: null });
  expect(shownNotes([unreadable, untitled], TITLES, false)).toEqual([untitled, unreadable]);
  expect(notesAt(marksOf([untitled], TITLES), "1.1.1", null)).toEqual([untitled]);
});

test("only notes that stand flag images, each frame for itself", () => {
  const marks = marksOf([...all, foreign], TITLES);
  expect([...marks.keys()].sort()).toEqual(["1.1.1", "a", "m"]);
  expect(notesAt(marks, "m", 3)).toEqual([newer]);
  expect(notesAt(marks, "m", 4)).toEqual([]);
  expect(notesAt(marks, "a", null)).toEqual([newer]);
  expect(notesAt(marks, "a", 9)).toEqual([newer]);
  expect(notesAt(marks, "z", null)).toEqual([]);
});

test("the first frame of an image shown without frames is the image", () => {
  expect(notesAt(marksOf([note({ references: [reference("s", [1])] })], TITLES), "s", null)).toHaveLength(1);
});

test("a tile for each frame a note names", () => {
  expect(tilesOf(newer).map(({ reference: to, frame }) => [to.sop_instance_uid, frame])).toEqual([
    ["m", 3],
    ["m", 7],
    ["a", null],
  ]);
});

test("the chosen note says with which state an image, or a frame of it, is shown", () => {
  const states = note({
    id: 9,
    references: [
      reference("a", null, { presentation_state_uid: "1.77" }),
      reference("m", [3], { presentation_state_uid: "1.78" }),
      reference("b"),
    ],
  });
  const stateOf = statesIn([states], "9");
  expect(stateOf("a", null)).toBe("1.77");
  expect([stateOf("m", 3), stateOf("m", 4)]).toEqual(["1.78", null]);
  expect([stateOf("b", null), stateOf("c", null)]).toEqual([null, null]);
  expect([statesIn([states], null)("a", null), statesIn([states], "8")("a", null)]).toEqual([null, null]);
});

test("titles present, the frequent first", () => {
  expect(titlesPresent([manifest, older, newer])).toEqual([
    { title: OF_INTEREST, count: 2 },
    { title: MANIFEST, count: 1 },
  ]);
});

test("the worst finding decides the badge", () => {
  const found = (severity: "info" | "warning" | "error") => ({ code: "X", severity, place: "", text: "" });
  expect(worst([found("info"), found("error"), found("warning")])).toBe("error");
  expect(worst([])).toBeNull();
});

test("the form offers what can be made, clinical titles first", () => {
  expect(titleGroups(TITLES).map(({ name, titles }) => [name, titles.length])).toEqual([
    ["Clinical", 2],
    ["Export", 1],
  ]);
});

test.each<[string, string | null]>([
  ["i", "Of Interest"],
  ["I", "Of Interest"],
  ["k", null],
  ["m", null],
  ["x", null],
])("hot key %s chooses %s", (key, meaning) => expect(titleOfKey(TITLES, key)?.meaning ?? null).toBe(meaning));

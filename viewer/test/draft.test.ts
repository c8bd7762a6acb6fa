import { expect, test } from "vitest";
import {
  type Draft,
  type DraftAction,
  draftReducer,
  emptyDraft,
  holds,
  isOpen,
  isUnsaved,
  lacks,
  requestOf,
  type Target,
} from "../src/model/draft";
import { draftFrom } from "../src/model/draft-store";
import { BEST_IN_SET, note, OF_INTEREST, reference, SERIES, TITLES } from "./examples";

const target = (sop: string, frame: number | null = null): Target => ({
  study: "1",
  series: "1.1",
  sop,
  frame,
});
const toggle = (sop: string, frame: number | null = null): DraftAction => ({
  kind: "toggle",
  target: target(sop, frame),
});
const play = (actions: DraftAction[], from: Draft = emptyDraft("Anna")) => actions.reduce(draftReducer, from);
const content = (draft: Draft) => draft.references.map(({ sop, frames }) => [sop, ...frames]);

test.each<[string, DraftAction[], unknown[]]>([
  ["an image", [toggle("a")], [["a"]]],
  ["an image twice", [toggle("a"), toggle("a")], []],
  ["frames, in ascending order", [toggle("m", 7), toggle("m", 3)], [["m", 3, 7]]],
  ["one frame of two taken out", [toggle("m", 7), toggle("m", 3), toggle("m", 7)], [["m", 3]]],
  ["the only frame taken out leaves no reference to the whole image", [toggle("m", 7), toggle("m", 7)], []],
  ["the whole image after a frame", [toggle("m", 7), toggle("m")], [["m"]]],
  ["a frame of an image that is in as a whole takes it out", [toggle("m"), toggle("m", 2)], []],
  ["adding what is there already", [toggle("a"), { kind: "add", target: target("a") }], [["a"]]],
  [
    "moved to the front",
    [toggle("a"), toggle("b"), toggle("c"), { kind: "move", from: 2, to: 0 }],
    [["c"], ["a"], ["b"]],
  ],
  ["moved past the end", [toggle("a"), toggle("b"), { kind: "move", from: 0, to: 9 }], [["b"], ["a"]]],
  ["taken out by its place", [toggle("a"), toggle("b"), { kind: "remove", index: 0 }], [["b"]]],
  [
    "a frame taken out by its place",
    [toggle("m", 1), toggle("m", 2), { kind: "removeFrame", index: 0, frame: 1 }],
    [["m", 2]],
  ],
  [
    "the last frame taken out by its place",
    [toggle("m", 1), { kind: "removeFrame", index: 0, frame: 1 }],
    [],
  ],
])("starring %s", (_, actions, expected) => {
  expect(content(play(actions))).toEqual(expected);
});

const LUNG = { window: { center: -600, width: 1500 } };
const seen = (sop: string, frame: number | null = null): DraftAction => ({
  kind: "add",
  target: { ...target(sop, frame), presentation: LUNG },
});

test("an image that is starred as it looks says so, until it is wanted as stored", () => {
  const draft = play([seen("a"), toggle("b")]);
  expect(draft.references.map(({ presentation }) => presentation)).toEqual([LUNG, null]);
  const asked = requestOf({ ...draft, title: OF_INTEREST }).references;
  expect(asked.map(({ presentation }) => presentation)).toEqual([LUNG, undefined]);
  const stored = play([{ kind: "asStored", index: 0 }], draft);
  expect(stored.references.map(({ presentation }) => presentation)).toEqual([null, null]);
});

test("frames that look alike are one reference, others are not", () => {
  const draft = play([seen("m", 1), seen("m", 2), { kind: "add", target: target("m", 3) }]);
  expect(content(draft)).toEqual([
    ["m", 1, 2],
    ["m", 3],
  ]);
});

test("the state of a note that is revised stays, unless the image is wanted as stored", () => {
  const before = note({ references: [reference("a", null, { presentation_state_uid: "1.77" })] });
  const draft = play([{ kind: "revise", note: before, author: "Anna" }]);
  expect(requestOf({ ...draft, title: OF_INTEREST }).references[0]?.presentation_state_uid).toBe("1.77");
  const stored = play([{ kind: "asStored", index: 0 }], draft);
  expect(requestOf({ ...stored, title: OF_INTEREST }).references[0]?.presentation_state_uid).toBeUndefined();
});

test("a draft holds frames one by one, or the whole image with all its frames", () => {
  const frames = play([toggle("m", 3)]);
  expect([holds(frames, "m", 3), holds(frames, "m", 4), holds(frames, "m", null)]).toEqual([
    true,
    false,
    false,
  ]);
  const whole = play([toggle("m")]);
  expect([holds(whole, "m", 3), holds(whole, "m", null)]).toEqual([true, true]);
});

test("another title drops the modifiers of the one before; the same one keeps them", () => {
  const best = play([
    { kind: "title", title: BEST_IN_SET },
    { kind: "modifier", modifier: SERIES, on: true },
    { kind: "title", title: { ...BEST_IN_SET, meaning: "Best in set" } },
  ]);
  expect(best.modifiers).toEqual([SERIES]);
  expect(play([{ kind: "title", title: OF_INTEREST }], best).modifiers).toEqual([]);
});

test("a revision by another author begins as the note is, with all that its references carry, and is not unsaved yet", () => {
  const revised = note({
    references: [
      reference("1.1.1", [3, 7], { presentation_state_uid: "9" }),
      reference("2.1.1", null, { study_instance_uid: "2", segments: [4] }),
    ],
  });
  const draft = play([{ kind: "revise", note: revised, author: "Meier^Jo" }]);
  expect(draft.revises).toEqual({ id: 5, version: 2 });
  expect([isOpen(draft), isUnsaved(draft)]).toEqual([true, false]);
  expect(requestOf({ ...draft, title: OF_INTEREST })).toEqual({
    title: OF_INTEREST,
    modifiers: [],
    description: "Liver",
    language: "en",
    author: { kind: "person", name: "Meier^Jo", login: "" },
    references: [
      {
        study_instance_uid: "1",
        series_instance_uid: "1.1",
        sop_instance_uid: "1.1.1",
        frames: [3, 7],
        presentation_state_uid: "9",
      },
      { study_instance_uid: "2", series_instance_uid: "1.1", sop_instance_uid: "2.1.1", segments: [4] },
    ],
  });
  expect(isUnsaved(play([{ kind: "description", text: "Spleen" }], draft))).toBe(true);
});

test("a copy is a new note of whoever copies", () => {
  const draft = play([{ kind: "copy", note: note({ origin: "received" }), author: "Meier^Jo" }]);
  expect([draft.revises, draft.author.name, draft.author.login, isUnsaved(draft)]).toEqual([
    null,
    "Meier^Jo",
    "",
    true,
  ]);
});

test("after a conflict the revision stands on the version it is told to replace", () => {
  const draft = play([
    { kind: "revise", note: note(), author: "Meier^Jo" },
    { kind: "rebase", version: 6 },
  ]);
  expect(draft.revises).toEqual({ id: 5, version: 6 });
  expect(play([{ kind: "rebase", version: 6 }]).revises).toBeNull();
});

test("a title alone opens no draft, an image does", () => {
  const titled = play([{ kind: "title", title: OF_INTEREST }]);
  expect([isOpen(titled), isOpen(play([toggle("a")], titled))]).toEqual([false, true]);
});

test.each<[string, DraftAction[], string[]]>([
  ["nothing yet", [], ["title", "references", "author"]],
  [
    "a title that needs a modifier",
    [toggle("a"), { kind: "title", title: BEST_IN_SET }, { kind: "author", name: "A" }],
    ["modifiers"],
  ],
  [
    "an author of blanks",
    [toggle("a"), { kind: "title", title: OF_INTEREST }, { kind: "author", name: "  " }],
    ["author"],
  ],
  ["all", [toggle("a"), { kind: "title", title: OF_INTEREST }, { kind: "author", name: "A" }], []],
])("what lacks with %s", (_, actions, expected) => {
  const draft = play(actions, emptyDraft(""));
  expect(lacks(draft, TITLES).map((lack) => lack.field)).toEqual(expected);
});

test("a kept draft comes back the same; what is no draft does not", () => {
  const draft = play([toggle("m", 3), { kind: "description", text: "肝臓の病変" }]);
  expect(draftFrom(JSON.stringify(draft))).toEqual(draft);
  expect(draftFrom(null)).toBeNull();
  expect(draftFrom('{"references":[]}')).toBeNull();
});

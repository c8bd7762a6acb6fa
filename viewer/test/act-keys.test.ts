import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { NoteRequest } from "../src/api/contract";

const LOST = new TypeError("Failed to fetch");
const BODY: NoteRequest = {
  title: { scheme: "DCM", value: "113000" },
  modifiers: [],
  description: "A nodule",
  language: "",
  author: { kind: "person", name: "Anna", login: "" },
  references: [{ sop_instance_uid: "1.2" }],
};
const OTHER: NoteRequest = { ...BODY, description: "Two nodules" };

const done = () => new Response(JSON.stringify({ id: 7, version: 1 }), { status: 201 });
const refused = (status: number) => new Response("{}", { status });

let client: typeof import("../src/api/client");
let stored: Map<string, string>;

/** What a page is when it has just been loaded. */
async function loaded() {
  vi.resetModules();
  client = await import("../src/api/client");
}

/** Have acts done by a server that answers so; gives the keys that it was sent. */
async function keys(answers: (Response | Error)[], ...acts: (() => Promise<unknown>)[]): Promise<string[]> {
  const sent: string[] = [];
  vi.stubGlobal("fetch", async (_path: string, init: RequestInit) => {
    sent.push(new Headers(init.headers).get("Idempotency-Key") ?? "");
    const answer = answers[sent.length - 1];
    if (answer instanceof Response) return answer;
    throw answer;
  });
  for (const act of acts) await act().catch(() => undefined);
  return sent;
}

const make = (body: NoteRequest) => () => client.makeNote("1", body);

beforeEach(async () => {
  stored = new Map();
  vi.stubGlobal("localStorage", {
    getItem: (name: string) => stored.get(name) ?? null,
    setItem: (name: string, value: string) => stored.set(name, value),
    removeItem: (name: string) => stored.delete(name),
  });
  await loaded();
});
afterEach(() => vi.unstubAllGlobals());

test.each<[string, () => Promise<unknown>]>([
  ["making a note", () => client.makeNote("1", BODY)],
  ["revising it", () => client.reviseNote(7, 1, BODY)],
  ["withdrawing it", () => client.withdrawNote(7, 1, "wrong", "Anna")],
  ["reading a document again", () => client.registerAgain("1.2")],
])("%s has a key, which is the same when it is asked for again because no answer came", async (_, act) => {
  const [first, gateway, again, next] = await keys([LOST, refused(502), done(), done()], act, act, act, act);
  expect(first).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect([gateway, again]).toEqual([first, first]);
  expect(next).not.toBe(first);
  expect(stored.size).toBe(0);
});

test("an answer that breaks off was none", async () => {
  const broken = new Response('{"id": 7, "ver', { status: 201 });
  const [first, again] = await keys([broken, done()], make(BODY), make(BODY));
  expect(again).toBe(first);
});

test("what was changed is another act", async () => {
  const [first, changed, version, other] = await keys(
    [LOST, LOST, LOST, LOST],
    make(BODY),
    make(OTHER),
    () => client.reviseNote(7, 1, BODY),
    () => client.reviseNote(7, 2, BODY),
  );
  expect(new Set([first, changed, version, other]).size).toBe(4);
});

test("a refusal is an answer", async () => {
  const [first, again] = await keys([refused(412), done()], make(BODY), make(BODY));
  expect(again).not.toBe(first);
});

test("a page that is loaded anew asks for the act that was not answered under its key", async () => {
  const [first] = await keys([LOST], make(BODY));
  await loaded();
  const [other, again] = await keys([done(), done()], make(OTHER), make(BODY));
  expect(again).toBe(first);
  expect(other).not.toBe(first);
});

test.each<[string, () => void]>([
  [
    "refuses storage",
    () =>
      vi.stubGlobal("localStorage", {
        getItem: () => null,
        setItem: () => {
          throw new Error("QuotaExceededError");
        },
      }),
  ],
  ["has no storage", () => vi.stubGlobal("localStorage", undefined)],
  ["has something else in it", () => stored.set("kinote.acts", '{"act": 1}')],
])("a browser that %s keeps the key while the page is open", async (_, prepare) => {
  prepare();
  const [first, again, next] = await keys([LOST, done(), done()], make(BODY), make(BODY), make(BODY));
  expect(again).toBe(first);
  expect(next).not.toBe(first);
});

test("keys of acts that were never answered do not heap up", async () => {
  const bodies = Array.from({ length: 30 }, (_, number) => ({ ...BODY, description: `${number}` }));
  const sent = await keys(Array(30).fill(LOST), ...bodies.map(make));
  expect(JSON.parse(stored.get("kinote.acts") ?? "[]")).toHaveLength(20);
  const [latest, oldest] = await keys(
    [done(), done()],
    make({ ...BODY, description: "29" }),
    make({ ...BODY, description: "0" }),
  );
  expect(latest).toBe(sent[29]);
  expect(oldest).not.toBe(sent[0]);
});

test("who withdraws a note is named in a header, in any script", async () => {
  const sent: [string, string | null][] = [];
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    sent.push([path, new Headers(init.headers).get("Kinote-Actor")]);
    return done();
  });
  await client.withdrawNote(7, 1, "wrong", "Grün^山田");
  expect(sent).toEqual([["/api/v1/notes/7?reason=wrong", "Gr%C3%BCn%5E%E5%B1%B1%E7%94%B0"]]);
});

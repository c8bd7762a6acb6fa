// @vitest-environment happy-dom
import { act } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Alert, type Job, whyMissing } from "../src/api/operations";
import { AlertRow } from "../src/operations/alert-row";
import { AlertsBadge } from "../src/operations/alerts-badge";
import { tellAlertsChanged } from "../src/operations/alerts-changed";
import { ALERT_FILTER, JOB_FILTER, PURGE_VIEW } from "../src/operations/filters";
import { JobActs } from "../src/operations/job-acts";
import { JobsPage } from "../src/operations/jobs-page";
import { lastDays, PERIOD } from "../src/operations/period";
import { questionAddress, readQuestion } from "../src/operations/question";
import { age, numbersOf } from "../src/operations/queue-numbers";
import { Sentence } from "../src/parts/sentence";
import { byTestId, click, has, mount, type } from "./page";

const ALERT: Alert = {
  id: 3,
  state: "new",
  severity: "error",
  code: "JOBS_DEAD",
  subject: "",
  sentence: "2 jobs are dead. See `kinote jobs list`.",
  since: "2026-11-30T08:00:00Z",
  cleared_at: null,
  acknowledged_at: null,
  acknowledged_by: null,
  snoozed_until: null,
  snoozed_by: null,
  owner: null,
};

const JOB: Job = {
  id: 7,
  kind: "register-again",
  destination: "",
  state: "dead",
  attempt: 1,
  attempts_allowed: 1,
  made_at: "2026-11-30T08:00:00Z",
  changed_at: "2026-11-30T08:00:00Z",
  sentence: "It failed.",
};

interface Asked {
  method: string;
  path: string;
  body: Record<string, unknown>;
  actor: string | null;
}

let asked: Asked[] = [];
/** What the server answers, by the beginning of a path; the first that fits. */
let answers: [beginning: string, answer: (asked: Asked) => unknown][] = [];

/** An answer that is a problem. */
class Refused {
  constructor(readonly detail: string) {}
}

beforeEach(() => {
  asked = [];
  answers = [];
  vi.stubGlobal("fetch", async (path: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    const one = {
      method: init.method ?? "GET",
      path,
      body: JSON.parse(typeof init.body === "string" ? init.body : "{}") as Record<string, unknown>,
      actor: headers.get("Kinote-Actor"),
    };
    asked.push(one);
    const found = answers.find(([beginning]) => path.startsWith(`/api/v1${beginning}`));
    if (!found) throw new TypeError(`nobody answers ${path}`);
    const answer = found[1](one);
    if (answer instanceof Refused) return new Response(JSON.stringify({ title: "Conflict", ...answer }), { status: 409 });
    return new Response(JSON.stringify(answer));
  });
});

afterEach(() => vi.unstubAllGlobals());

const page = <Item,>(items: Item[], rest: object = {}) => ({ items, next: null, ...rest });

test("the badge is there only where alerts are open, and follows what is done about them", async () => {
  let numbers = { new: 0, acknowledged: 0, snoozed: 0 };
  answers = [["/alerts", () => page([], { numbers })]];
  await mount(<AlertsBadge />);
  expect(has("alerts-badge")).toBe(false);
  numbers = { new: 1, acknowledged: 1, snoozed: 1 };
  await act(async () => tellAlertsChanged());
  expect(byTestId("alerts-badge").textContent).toBe("3 (3 open alerts, 1 new)");
  answers = [];
  await act(async () => tellAlertsChanged());
  expect(has("alerts-badge")).toBe(false);
});

test("an alert is acknowledged by who has said who they are", async () => {
  localStorage.setItem("kinote.author", "Roe^Richard");
  answers = [["/alerts/3/acknowledge", () => ({ ...ALERT, state: "acknowledged", acknowledged_at: ALERT.since })]];
  await mount(<AlertRow listed={ALERT} />);
  await click(byTestId("alert-acknowledge"));
  expect(asked[0]).toMatchObject({ method: "POST", actor: "Roe%5ERichard" });
  expect(byTestId("alert-state").textContent).toBe("acknowledged");
  expect(has("alert-acknowledge")).toBe(false);
});

test("a snoozed alert can be woken, and a cleared one needs nothing", async () => {
  answers = [["/alerts/3/snooze", ({ body }) => ({ ...ALERT, state: body.hours ? "snoozed" : "new" })]];
  const { render } = await mount(<AlertRow listed={ALERT} />);
  await type(byTestId("alert-snooze"), "24");
  expect(asked[0]?.body).toEqual({ hours: 24 });
  await click(byTestId("alert-wake"));
  expect(asked[1]?.body).toEqual({ hours: 0 });
  expect(has("alert-snooze")).toBe(true);
  await render(<AlertRow key="cleared" listed={{ ...ALERT, state: "cleared", cleared_at: ALERT.since }} />);
  expect(has("alert-own")).toBe(false);
});

test("an act on jobs is counted first, and done to as many as were seen", async () => {
  let count = 2;
  const done = vi.fn();
  answers = [["/jobs/acts", () => ({ act: "cancel", count, done: false })]];
  await mount(<JobActs selected={new Set()} filter={{ state: "dead", kind: "" }} onDone={done} />);
  expect(byTestId("job-selection").textContent).toBe("All dead jobs");
  await click(byTestId("jobs-cancel"));
  expect(asked[0]?.body).toEqual({ act: "cancel", filter: { state: "dead" } });
  expect(byTestId("job-act-preview").textContent).toBe("2 jobs will be cancelled.");
  expect(byTestId<HTMLButtonElement>("job-act-dialog-confirm").disabled).toBe(true);
  await type(byTestId("job-act-dialog-reason"), "not needed");
  await type(byTestId("job-act-dialog-who"), "Roe");
  // Meanwhile one more has died.
  count = 3;
  const refusal = new Refused("3 jobs match now, not 2.");
  answers = [["/jobs/acts", ({ body }) => (body.expected === 2 ? refusal : { count })]];
  await click(byTestId("job-act-dialog-confirm"));
  expect(asked[1]?.body).toMatchObject({ expected: 2, reason: "not needed" });
  expect(byTestId("job-act-dialog").textContent).toContain("3 jobs match now");
  expect(byTestId("job-act-preview").textContent).toBe("3 jobs will be cancelled.");
  expect(done).not.toHaveBeenCalled();
  await click(byTestId("job-act-dialog-confirm"));
  expect(asked.at(-1)?.body).toMatchObject({ expected: 3 });
  expect(done).toHaveBeenCalled();
});

test("where no job is one to which it can be done, it cannot be done", async () => {
  answers = [["/jobs/acts", () => ({ count: 0 })]];
  await mount(<JobActs selected={new Set([7])} filter={JOB_FILTER.none} onDone={() => {}} />);
  await click(byTestId("jobs-retry"));
  expect(asked[0]?.body).toEqual({ act: "retry", ids: [7] });
  await type(byTestId("job-act-dialog-reason"), "again");
  await type(byTestId("job-act-dialog-who"), "Roe");
  expect(byTestId<HTMLButtonElement>("job-act-dialog-confirm").disabled).toBe(true);
});

test("what is selected is forgotten when others are searched for", async () => {
  answers = [
    ["/queues", () => page([{ kind: "register-again", state: "running", does: "reads", actor: "", reason: "" }])],
    ["/jobs", () => page([JOB], { numbers: [] })],
  ];
  const { render } = await mount(<JobsPage query={new URLSearchParams()} />);
  await click(byTestId("job-select"));
  expect(byTestId("job-selection").textContent).toBe("1 job selected");
  await render(<JobsPage query={new URLSearchParams("state=dead")} />);
  expect(byTestId("job-selection").textContent).toBe("All dead jobs");
});

test("queues have their numbers, also those that this server does not know", () => {
  const number = (kind: string, state: Job["state"], count: number, oldest: string) => ({
    kind,
    state,
    count,
    is_more: false,
    oldest_made_at: oldest,
    sentence: "",
  });
  const known = { kind: "b", state: "halted", does: "does", actor: "", reason: "", changed_at: null } as const;
  const found = numbersOf(
    [known],
    [number("b", "queued", 2, "2026-02"), number("b", "retry", 1, "2026-01"), number("a", "dead", 5, "2025-01")],
  );
  expect(found.map(({ queue }) => [queue.kind, queue.state])).toEqual([
    ["a", "running"],
    ["b", "halted"],
  ]);
  expect(found[1]?.counts.get("queued")?.count).toBe(2);
  expect(found.map(({ oldest }) => oldest)).toEqual([null, "2026-01"]);
});

test.each([
  [0, "under 1 min"],
  [61, "1 min"],
  [3 * 3600, "3 h"],
  [72 * 3600, "3 days"],
  [-60, "under 1 min"],
])("%i seconds are %s", (seconds, text) => {
  const now = Date.parse("2026-11-30T08:00:00Z");
  expect(age(new Date(now - seconds * 1000).toISOString(), now)).toBe(text);
});

test("filters are written in addresses and read from them", () => {
  for (const [address, filter, written] of [
    [JOB_FILTER, { state: "dead", kind: "" }, "/jobs?state=dead"],
    [ALERT_FILTER, { state: "open" }, "/alerts"],
    [PURGE_VIEW, { view: "failed", days: "30" }, "/purges?view=failed"],
  ] as const) {
    const { read, write } = address as { read: (q: URLSearchParams) => object; write: (f: object) => string };
    expect(write(filter)).toBe(written);
    expect(read(new URL(written, "http://x").searchParams)).toEqual(filter);
  }
});

test("a period is the last month until another is chosen", () => {
  const now = new Date(2026, 11, 3, 12);
  expect(lastDays(1, now)).toEqual({ from: "2026-12-03", to: "2026-12-03" });
  expect(lastDays(7, now)).toEqual({ from: "2026-11-27", to: "2026-12-03" });
  expect(PERIOD.read(new URLSearchParams())).toEqual(lastDays(30));
  const any = PERIOD.write({ from: "", to: "" });
  expect(PERIOD.read(new URL(any, "http://x").searchParams)).toEqual({ from: "", to: "" });
});

test("a question keeps its times only for a sender", () => {
  const times = { since: "2026-11-30T08:00", until: "" };
  expect(questionAddress({ what: "patient", text: " P1 ", ...times })).toBe("/explain?what=patient&text=P1");
  const written = questionAddress({ what: "sender", text: "CT1", ...times });
  expect(readQuestion(new URL(written, "http://x").searchParams)).toEqual({ what: "sender", text: "CT1", ...times });
  expect(readQuestion(new URLSearchParams("what=nonsense")).what).toBe("uid");
});

test("a UID may be that of an object or of a study", async () => {
  const never = { code: "NEVER_OFFERED", sentence: "", remedy: "", count: 0, uids: [] };
  const withdrawn = { ...never, code: "WITHDRAWN" };
  const question = { what: "uid", text: " 1.2 ", since: "", until: "" } as const;
  answers = [
    ["/explain?instance=1.2", () => page([never])],
    ["/explain?study=1.2", () => page([withdrawn])],
  ];
  expect(await whyMissing(question)).toEqual([withdrawn]);
  answers = [["/explain?instance=1.2", () => page([withdrawn])]];
  expect(await whyMissing(question)).toEqual([withdrawn]);
  answers = [["/explain", () => page([never])]];
  expect(await whyMissing(question)).toEqual([never]);
});

test("what is typed stands out in a sentence", async () => {
  await mount(<Sentence text="See `kinote jobs list` now." />);
  expect(document.querySelector("code")?.textContent).toBe("kinote jobs list");
  expect(document.body.textContent).toBe("See kinote jobs list now.");
});

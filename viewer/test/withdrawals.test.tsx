// @vitest-environment happy-dom
import { act } from "react";
import { afterEach, expect, test, vi } from "vitest";
import { withdrawalsCsv } from "../src/api/client";
import type { Withdrawal } from "../src/api/contract";
import { WITHDRAWAL_FILTER } from "../src/records/withdrawal-filter";
import { WithdrawalsPage } from "../src/records/withdrawals-page";
import { byTestId, click, has, mount } from "./page";

const MADE: Withdrawal = {
  id: 7,
  act: "quality",
  sentence: "Its quality is not good enough.",
  reason: { scheme: "DCM", value: "113001", meaning: "Rejected for Quality Reasons" },
  text: "blurred",
  by: { kind: "person", name: "Roe^Richard", address: "127.0.0.1" },
  confirmed_by: null,
  made_at: "2026-11-24T05:31:00+00:00",
  closes_at: "2026-11-24T05:41:00+00:00",
  state: "open",
  effect: "hidden",
  received: false,
  instances: 2,
  undone_at: null,
  undone_by: null,
  can_be_undone: true,
  why_not_undoable: null,
};

/** Answers requests by method, and remembers what was asked. */
function server(undone: Response, listed: Withdrawal = MADE) {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (path: string, init: RequestInit = {}) => {
    asked.push(`${init.method ?? "GET"} ${path}`);
    return init.method === "DELETE" ? undone : Response.json({ items: [listed], next: null });
  });
  return asked;
}

afterEach(() => vi.unstubAllGlobals());

const shown = async (query = "") => {
  const page = await mount(<WithdrawalsPage query={new URLSearchParams(query)} />);
  await act(async () => undefined);
  return page;
};

test("a withdrawal is listed and undone", async () => {
  const asked = server(
    Response.json({ ...MADE, state: "undone", can_be_undone: false, undone_at: "2026-11-24T05:32:00+00:00" }),
  );
  await shown("text=blur&act=quality");
  expect(byTestId("withdrawal-row").textContent).toContain("2 instances");
  expect(byTestId("withdrawal-row").textContent).toContain("by Roe, Richard");
  await click(byTestId("withdrawal-undo"));
  expect(asked).toEqual(["GET /api/v1/withdrawals?text=blur&act=quality", "DELETE /api/v1/withdrawals/7"]);
  expect(byTestId("withdrawal-state").textContent).toBe("undone");
  expect(has("withdrawal-undo")).toBe(false);
});

test("why one cannot be undone is said", async () => {
  server(Response.json({}), {
    ...MADE,
    state: "closed",
    can_be_undone: false,
    why_not_undoable: "Others have been told.",
  });
  await shown();
  expect(has("withdrawal-undo")).toBe(false);
  expect(byTestId("withdrawal-row").textContent).toContain("Others have been told.");
});

test("what came from elsewhere and what is only marked is said", async () => {
  server(Response.json({}), { ...MADE, effect: "marked", received: true });
  await shown();
  expect(byTestId("withdrawal-row").textContent).toContain("only markedreceived");
});

test("a refusal is shown where it was asked for", async () => {
  server(
    Response.json({ title: "The withdrawal cannot be undone", detail: "Too late." }, { status: 409 }),
  );
  await shown();
  await click(byTestId("withdrawal-undo"));
  expect(byTestId("withdrawal-row").textContent).toContain("Too late.");
});

test("the filter survives the address, and the export has it", () => {
  const filter = { text: "x & y", act: "safety", who: "roe", from: "2026-11-01", to: "2026-11-30" };
  const written = WITHDRAWAL_FILTER.write(filter);
  expect(WITHDRAWAL_FILTER.read(new URL(written, "http://x").searchParams)).toEqual(filter);
  const asked = new URL(withdrawalsCsv(filter), "http://x").searchParams;
  expect(Object.fromEntries(asked)).toEqual({
    text: "x & y",
    act: "safety",
    who: "roe",
    since: new Date("2026-11-01T00:00").toISOString(),
    until: new Date("2026-12-01T00:00").toISOString(),
    csv: "true",
  });
});

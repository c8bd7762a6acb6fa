// @vitest-environment happy-dom
import { act } from "react";
import { afterEach, expect, test, vi } from "vitest";
import type { WithdrawalRequest } from "../src/api/contract";
import { setSession } from "../src/api/session";
import { WaitingWithdrawals } from "../src/records/waiting-withdrawals";
import { byTestId, click, has, mount } from "./page";

const WAITING: WithdrawalRequest = {
  id: 4,
  state: "waiting",
  act: "wrong patient",
  text: "Taken under the name of the patient before",
  instances: 3,
  asked_by: { kind: "person", name: "roe", address: "127.0.0.1" },
  asked_at: "2026-11-24T05:31:00+00:00",
  expires_at: "2026-12-01T05:31:00+00:00",
};

const MEANS = {
  withdrawn: 3,
  studies: [{ study_instance_uid: "1.2.3", patient_id: "P1", patient_name: "Doe^Jane", instances: 3 }],
};

function signIn(login: string) {
  setSession({
    authentication: "local",
    provider: null,
    user: { login, name: "", roles: ["administrator"] },
    rights: ["examine", "withdraw", "withdraw-others"],
    expires_at: null,
  });
}

/** Answers requests, and remembers what was asked and sent. */
function server() {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (path: string, init: RequestInit = {}) => {
    asked.push(`${init.method ?? "GET"} ${path} ${init.body ?? ""}`.trim());
    if (init.method === "POST") return Response.json({ ...WAITING, state: "confirmed" });
    if (path.endsWith("/4")) return Response.json({ ...WAITING, means: MEANS });
    return Response.json({ items: asked.some((each) => each.startsWith("POST")) ? [] : [WAITING], next: null });
  });
  return asked;
}

afterEach(() => {
  vi.unstubAllGlobals();
  setSession(null);
});

const shown = async (onDecided: () => void) => {
  await mount(<WaitingWithdrawals onDecided={onDecided} />);
  await act(async () => undefined);
};

test("another person sees whose images go, and confirms", async () => {
  signIn("doe");
  const asked = server();
  let decided = 0;
  await shown(() => {
    decided += 1;
  });
  await click(byTestId("waiting-confirm"));
  expect(byTestId("confirm-withdrawal-dialog").textContent).toContain("Doe, Jane (P1): 3 instances");
  await click(byTestId("confirm-withdrawal"));
  expect(asked).toContain('POST /api/v1/withdrawal-requests/4 {"decision":"confirm"}');
  expect(decided).toBe(1);
  expect(has("waiting-withdrawals")).toBe(false);
});

test("who asked can take it back, and not confirm it", async () => {
  signIn("roe");
  const asked = server();
  await shown(() => undefined);
  expect(has("waiting-confirm")).toBe(false);
  expect(byTestId("waiting-refuse").textContent).toBe("Take back");
  await click(byTestId("waiting-refuse"));
  expect(asked).toContain('POST /api/v1/withdrawal-requests/4 {"decision":"refuse"}');
});

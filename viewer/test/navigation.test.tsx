// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { setSession } from "../src/api/session";
import { GroupNavigation, Navigation } from "../src/navigation/navigation";
import { ALERTS, EVERYDAY, GROUPS, groupOf, groupsFor } from "../src/navigation/pages";
import { routeOf } from "../src/router";
import { byTestId, has, mount } from "./page";

const LINKS = [...EVERYDAY, ALERTS, ...GROUPS.flatMap(({ pages }) => pages)];

function signIn(...rights: string[]) {
  const user = { login: "rhea", name: "", roles: [] };
  setSession({ authentication: "local", provider: null, user, rights, expires_at: null });
}

beforeEach(() => {
  setSession(null);
  // Nobody answers how many alerts there are.
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("no server")));
});

afterEach(() => vi.unstubAllGlobals());

test("every page is in the navigation once, and its link leads to it", () => {
  expect(new Set(LINKS.map(({ page }) => page)).size).toBe(LINKS.length);
  for (const { page, href } of LINKS) expect(routeOf(href).page).toBe(page);
});

test("a group is without the pages that a user may not see, and absent without any", () => {
  expect(groupsFor(() => true)).toEqual(GROUPS);
  const groups = groupsFor((right) => right === "audit");
  expect(groups.map(({ name, pages }) => [name, ...pages.map(({ page }) => page)])).toEqual([["access", "audit"]]);
});

test("tokens belong to the group of users", () => expect(groupOf(GROUPS, "tokens")?.name).toBe("access"));

test("the group that is open shows its pages", async () => {
  const bar = (page: "held" | "studies") => (
    <>
      <Navigation page={page} />
      <GroupNavigation page={page} />
    </>
  );
  const mounted = await mount(bar("held"));
  expect(byTestId("nav-objects").getAttribute("aria-current")).toBe("true");
  expect(byTestId("nav-held").getAttribute("aria-current")).toBe("page");
  expect(byTestId("nav-findings").getAttribute("aria-current")).toBeNull();
  await mounted.render(bar("studies"));
  expect(has("nav-held")).toBe(false);
  expect(byTestId("nav-studies").getAttribute("aria-current")).toBe("page");
});

test("a group of one page is that page", async () => {
  signIn("read", "audit");
  await mount(
    <>
      <Navigation page="audit" />
      <GroupNavigation page="audit" />
    </>,
  );
  expect(has("nav-access")).toBe(false);
  expect(byTestId("nav-audit").getAttribute("aria-current")).toBe("page");
  expect(document.querySelectorAll("nav")).toHaveLength(1);
});

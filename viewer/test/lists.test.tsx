// @vitest-environment happy-dom
import { act } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Page } from "../src/api/contract";
import { Problem } from "../src/api/problem";
import { FilterBar } from "../src/lists/filter-bar";
import { ChoiceField } from "../src/lists/filter-fields";
import { ListPage } from "../src/lists/list-page";
import { type FilterAddress, useFilteredList } from "../src/lists/use-filtered-list";
import { plural } from "../src/model/when";
import { useAddress } from "../src/router";
import { byTestId, click, has, mount, press, type } from "./page";

interface Filter {
  text: string;
  kind: string;
}

const FILTER: FilterAddress<Filter> = {
  none: { text: "", kind: "" },
  read: (query) => ({ text: query.get("text") ?? "", kind: query.get("kind") ?? "" }),
  write: (filter) => `/list?${new URLSearchParams({ ...filter })}`,
};

/** A question that the list has asked, to be answered by the test. */
interface Asked {
  filter: Filter;
  cursor: string | null;
  signal: AbortSignal;
  answer: (items: string[], next?: string | null) => Promise<void>;
  fail: () => Promise<void>;
}

let asked: Asked[] = [];

const fetchPage = (filter: Filter, cursor: string | null, signal: AbortSignal) =>
  new Promise<Page<string>>((resolve, reject) => {
    asked.push({
      filter,
      cursor,
      signal,
      answer: (items, next = null) => act(async () => resolve({ items, next })),
      fail: () => act(async () => reject(new Problem(500, "The disk is full", ""))),
    });
  });

function Fruits() {
  const list = useFilteredList(useAddress().searchParams, FILTER, fetchPage);
  const { filter, change, pages } = list;
  return (
    <ListPage
      title="Fruits"
      pages={pages}
      counted={(count) => plural(count, "fruit")}
      bar={
        <FilterBar
          text={filter.text}
          label="Search fruits"
          hint="Name"
          isFiltered={list.isFiltered}
          search={list.search}
          testids={{ search: "search", clear: "clear" }}
          onText={(text) => change({ text })}
          onClear={() => change(FILTER.none)}
          onArrowDown={list.toFirstRow}
        >
          <ChoiceField label="Kind" value={filter.kind} testid="kind" onChange={(kind) => change({ kind })}>
            <option value="">Any</option>
            <option value="citrus">Citrus</option>
          </ChoiceField>
        </FilterBar>
      }
      nothing={<p data-testid="nothing">None</p>}
      testids={{ count: "count", more: "more" }}
      rows={list.rows}
    >
      {pages.items.map((name) => (
        <a key={name} href={`/${name}`} data-row data-testid={name}>
          {name}
        </a>
      ))}
    </ListPage>
  );
}

const latest = () => asked.at(-1) as Asked;
const shown = () => [...document.querySelectorAll("[data-row]")].map((row) => row.textContent);

async function begin(address = "/list"): Promise<void> {
  window.history.replaceState(null, "", address);
  await mount(<Fruits />);
}

beforeEach(() => {
  asked = [];
  vi.useFakeTimers();
});
afterEach(() => vi.useRealTimers());

const pause = () => act(async () => vi.advanceTimersByTime(1000));

test("the count says whether there may be more, and more is added", async () => {
  await begin();
  expect(byTestId("count").textContent).toBe("");
  await latest().answer(["apple", "fig"], "cursor");
  expect(byTestId("count").textContent).toBe("2 fruits so far");
  await click(byTestId("more"));
  expect(latest().cursor).toBe("cursor");
  // Once more while it loads asks for nothing, and the button keeps the focus.
  const questions = asked.length;
  await click(byTestId("more"));
  expect([asked.length, byTestId<HTMLButtonElement>("more").disabled]).toEqual([questions, false]);
  await latest().answer(["lime"]);
  expect(shown()).toEqual(["apple", "fig", "lime"]);
  expect(byTestId("count").textContent).toBe("3 fruits");
  expect([has("more"), has("nothing"), document.title]).toEqual([false, false, "Fruits · Kinote"]);
});

test("nothing found is said only once that is known", async () => {
  await begin();
  expect(has("nothing")).toBe(false);
  await latest().answer([]);
  expect(has("nothing")).toBe(true);
});

test("a failure is said, and what came before stays; trying again goes on from there", async () => {
  await begin();
  await latest().answer(["apple"], "cursor");
  await click(byTestId("more"));
  await latest().fail();
  expect(byTestId("problem").textContent).toContain("The disk is full");
  expect(shown()).toEqual(["apple"]);
  await click(byTestId("problem").querySelector("button") as HTMLElement);
  expect(latest().cursor).toBe("cursor");
  await latest().answer(["fig"]);
  expect([shown(), has("problem"), has("nothing")]).toEqual([["apple", "fig"], false, false]);
});

test("what is typed is searched for once typing pauses, and stands in the address", async () => {
  await begin();
  await latest().answer(["apple", "fig"]);
  await type(byTestId<HTMLInputElement>("search"), "f");
  await type(byTestId<HTMLInputElement>("search"), "fi");
  expect(asked).toHaveLength(1);
  await pause();
  expect(asked).toHaveLength(2);
  expect(latest().filter).toEqual({ text: "fi", kind: "" });
  expect(window.location.search).toBe("?text=fi&kind=");
});

test("an answer that was overtaken by another question is not shown", async () => {
  await begin();
  const overtaken = latest();
  await type(byTestId<HTMLSelectElement>("kind"), "citrus");
  expect(overtaken.signal.aborted).toBe(true);
  await latest().answer(["lime"]);
  await overtaken.answer(["apple"], "cursor");
  expect([shown(), has("more")]).toEqual([["lime"], false]);
});

test("two fields changed in one go both count", async () => {
  await begin();
  await type(byTestId<HTMLInputElement>("search"), "li");
  await act(async () => {
    // The pause ends in the same turn as the choice, before the page is drawn again.
    vi.advanceTimersByTime(1000);
    const kind = byTestId<HTMLSelectElement>("kind");
    kind.value = "citrus";
    kind.dispatchEvent(new Event("change", { bubbles: true }));
  });
  expect(latest().filter).toEqual({ text: "li", kind: "citrus" });
});

test("clearing forgets all fields, also what is being typed", async () => {
  await begin("/list?text=li&kind=citrus");
  expect(latest().filter).toEqual({ text: "li", kind: "citrus" });
  await click(byTestId("clear"));
  await pause();
  expect(latest().filter).toEqual(FILTER.none);
  expect([byTestId<HTMLInputElement>("search").value, has("clear")]).toEqual(["", false]);
});

test("/ leads to the search field, the arrows along the rows", async () => {
  await begin();
  await latest().answer(["apple", "fig"]);
  await press("/");
  expect(document.activeElement).toBe(byTestId("search"));
  await press("ArrowDown", byTestId("search"));
  expect(document.activeElement).toBe(byTestId("apple"));
  await press("j");
  expect(document.activeElement).toBe(byTestId("fig"));
  await press("ArrowUp");
  expect(document.activeElement).toBe(byTestId("apple"));
});

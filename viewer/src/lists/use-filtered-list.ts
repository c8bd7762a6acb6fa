// A list that is searched: what for stands in the page's address, so that Back and reload keep it.
import { type RefObject, useCallback, useMemo, useRef } from "react";
import type { Page } from "../api/contract";
import { useKeys } from "../parts/keys";
import { go } from "../router";
import { type Pages, usePages } from "./use-pages";
import { useRowFocus } from "./use-row-focus";

/** How the filter of a list is written in the address, and read from it. */
export interface FilterAddress<Filter> {
  none: Filter;
  read: (query: URLSearchParams) => Filter;
  write: (filter: Filter) => string;
}

export interface FilteredList<Filter, Item> {
  filter: Filter;
  isFiltered: boolean;
  /** Change parts of the filter, and leave the others as they are by then. */
  change: (part: Partial<Filter>) => void;
  pages: Pages<Item>;
  /** Around the rows: the keys move the focus along their links. */
  rows: RefObject<HTMLDivElement | null>;
  /** The search field: the key / goes there. */
  search: RefObject<HTMLInputElement | null>;
  toFirstRow: () => void;
}

export function useFilteredList<Filter, Item>(
  query: URLSearchParams,
  address: FilterAddress<Filter>,
  fetchPage: (filter: Filter, cursor: string | null, signal: AbortSignal) => Promise<Page<Item>>,
): FilteredList<Filter, Item> {
  const written = query.toString();
  const filter = useMemo(() => address.read(new URLSearchParams(written)), [address, written]);
  const fetchFiltered = useCallback(
    (cursor: string | null, signal: AbortSignal) => fetchPage(filter, cursor, signal),
    [fetchPage, filter],
  );
  const pages = usePages(fetchFiltered);
  const rows = useRef<HTMLDivElement>(null);
  const search = useRef<HTMLInputElement>(null);
  const moveFocus = useRowFocus(rows);
  useKeys(({ key }) => {
    if (key === "/") search.current?.focus();
    else if (key === "ArrowDown" || key === "j") moveFocus(1);
    else if (key === "ArrowUp") moveFocus(-1);
    else return false;
    return true;
  });
  const change = useCallback(
    (part: Partial<Filter>) => {
      // Read from the address: two fields may change before the page is drawn again.
      const now = address.read(new URLSearchParams(window.location.search));
      go(address.write({ ...now, ...part }), "replace");
    },
    [address],
  );
  return {
    filter,
    isFiltered: address.write(filter) !== address.write(address.none),
    change,
    pages,
    rows,
    search,
    toFirstRow: () => moveFocus(1),
  };
}

// A collection that is read page by page, by cursor.
import { useCallback, useEffect, useRef, useState } from "react";
import type { Page } from "../api/contract";
import { asProblem, type Problem } from "../api/problem";

export interface Pages<Item> {
  items: Item[];
  /** The first page has not come yet. */
  starting: boolean;
  loading: boolean;
  problem: Problem | null;
  hasMore: boolean;
  more: () => void;
  retry: () => void;
  /** Read from the first page again. */
  anew: () => void;
}

/** Read pages with `fetchPage`; starts anew whenever `fetchPage` is another function. */
export function usePages<Item>(
  fetchPage: (cursor: string | null, signal: AbortSignal) => Promise<Page<Item>>,
): Pages<Item> {
  const [items, setItems] = useState<Item[]>([]);
  const [next, setNext] = useState<string | null>(null);
  const [starting, setStarting] = useState(true);
  const [loading, setLoading] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const running = useRef<AbortController | null>(null);

  const load = useCallback(
    async (cursor: string | null) => {
      running.current?.abort();
      const controller = new AbortController();
      running.current = controller;
      setLoading(true);
      setProblem(null);
      try {
        const page = await fetchPage(cursor, controller.signal);
        if (controller.signal.aborted) return;
        setItems((before) => (cursor === null ? page.items : [...before, ...page.items]));
        setNext(page.next);
      } catch (thrown) {
        if (controller.signal.aborted) return;
        setProblem(asProblem(thrown));
      }
      setStarting(false);
      setLoading(false);
    },
    [fetchPage],
  );

  useEffect(() => {
    void load(null);
    return () => running.current?.abort();
  }, [load]);

  return {
    items,
    starting,
    loading,
    problem,
    hasMore: next !== null,
    more: () => void load(next),
    retry: () => void load(items.length ? next : null),
    anew: () => void load(null),
  };
}

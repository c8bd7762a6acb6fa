import { useCallback, useEffect, useState } from "react";
import type { Problem } from "../api/problem";
import { useAct } from "../parts/use-act";

interface Read<Body> {
  found: Body | null;
  problem: Problem | null;
  again: () => void;
}

/** What the server says now, read when the page is opened and when it is asked for again. */
export function useRead<Body>(read: (signal?: AbortSignal) => Promise<Body>): Read<Body> {
  const [found, setFound] = useState<Body | null>(null);
  const { problem, run } = useAct();
  const again = useCallback(() => void run(async () => setFound(await read())), [read, run]);
  useEffect(again, [again]);
  return { found, problem, again };
}

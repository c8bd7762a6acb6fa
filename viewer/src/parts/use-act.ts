// An act on the server: whether it is under way, and what went wrong.
import { useCallback, useState } from "react";
import { asProblem, type Problem } from "../api/problem";

export interface Act {
  working: boolean;
  problem: Problem | null;
  /** Do it, unless something is under way. Returns whether it was done. */
  run: (work: () => Promise<void>) => Promise<boolean>;
  clear: () => void;
}

export function useAct(): Act {
  const [working, setWorking] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const run = useCallback(async (work: () => Promise<void>) => {
    setWorking(true);
    setProblem(null);
    try {
      await work();
      return true;
    } catch (thrown) {
      setProblem(asProblem(thrown));
      return false;
    } finally {
      setWorking(false);
    }
  }, []);
  const clear = useCallback(() => setProblem(null), []);
  return { working, problem, run, clear };
}

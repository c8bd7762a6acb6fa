// What the study page reads once: the study, and the titles that notes can have.
import { useCallback, useEffect, useState } from "react";
import { study as fetchStudy, titles as fetchTitles } from "../api/client";
import type { Study, Title } from "../api/contract";
import { asProblem, type Problem } from "../api/problem";

export interface StudyAndTitles {
  study: Study | null;
  titles: readonly Title[];
  problem: Problem | null;
  /** Read the study again: images may have come. */
  reload: () => void;
}

const NO_TITLES: readonly Title[] = [];

export function useStudy(uid: string): StudyAndTitles {
  const [study, setStudy] = useState<Study | null>(null);
  const [titles, setTitles] = useState(NO_TITLES);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [turn, setTurn] = useState(0);
  // A new turn means reading again.
  useEffect(() => {
    const controller = new AbortController();
    Promise.all([fetchStudy(uid, controller.signal), fetchTitles()])
      .then(([found, known]) => {
        if (controller.signal.aborted) return;
        setStudy(found);
        setTitles(known.items);
        setProblem(null);
      })
      .catch((thrown) => {
        if (!controller.signal.aborted) setProblem(asProblem(thrown));
      });
    return () => controller.abort();
  }, [uid, turn]);
  return { study, titles, problem, reload: useCallback(() => setTurn((before) => before + 1), []) };
}

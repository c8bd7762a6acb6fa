// The notes of the open study, kept fresh while the page is looked at.
import { useCallback, useEffect, useRef, useState } from "react";
import { notesOfStudy } from "../api/client";
import type { Note } from "../api/contract";
import { asProblem, type Problem } from "../api/problem";

const EVERY = 10_000;

export interface StudyNotes {
  /** null: not read yet. */
  notes: Note[] | null;
  problem: Problem | null;
  refresh: () => Promise<void>;
}

export function useNotes(study: string): StudyNotes {
  const [notes, setNotes] = useState<Note[] | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const etag = useRef<string | null>(null);
  const known = useRef("");
  const turn = useRef(0);

  const refresh = useCallback(async () => {
    const mine = ++turn.current;
    try {
      const answer = await notesOfStudy(study, etag.current);
      // An answer that was overtaken by a later question must not bring back what that one has replaced.
      if (mine !== turn.current) return;
      setProblem(null);
      if (!answer) return;
      etag.current = answer.etag;
      const written = JSON.stringify(answer.items);
      if (written !== known.current) setNotes(answer.items);
      known.current = written;
    } catch (thrown) {
      if (mine === turn.current) setProblem(asProblem(thrown));
    }
  }, [study]);

  useEffect(() => {
    void refresh();
    const look = () => {
      if (document.visibilityState === "visible") void refresh();
    };
    const timer = setInterval(look, EVERY);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [refresh]);

  return { notes, problem, refresh };
}

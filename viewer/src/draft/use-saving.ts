// Saving the draft: as a new note, or as a revision that does not overwrite somebody else's.
import { type Dispatch, useState } from "react";
import { note as fetchNote, makeNote, reviseNote } from "../api/client";
import type { Note } from "../api/contract";
import { asProblem, type Problem } from "../api/problem";
import { type Draft, type DraftAction, requestOf } from "../model/draft";
import { loadAuthor, saveAuthor, saveLastTitle } from "../model/draft-store";

export interface Saving {
  working: boolean;
  problem: Problem | null;
  /** The note as somebody else saved it while the draft was written. */
  conflict: Note | null;
  save: () => Promise<void>;
  overwrite: () => Promise<void>;
  settle: () => void;
}

interface SavingParts {
  study: string;
  draft: Draft;
  dispatch: Dispatch<DraftAction>;
  onSaved: (note: Note) => void;
}

export function useSaving({ study, draft, dispatch, onSaved }: SavingParts): Saving {
  const [working, setWorking] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [conflict, setConflict] = useState<Note | null>(null);

  const send = async (version: number | null) => {
    const { title, revises } = draft;
    if (!title || working) return;
    setWorking(true);
    setProblem(null);
    try {
      const body = requestOf({ ...draft, title });
      const saved = revises
        ? await reviseNote(revises.id, version ?? revises.version, body)
        : await makeNote(study, body);
      saveAuthor(body.author.name);
      saveLastTitle(body.title);
      setConflict(null);
      dispatch({ kind: "clear", author: loadAuthor() || body.author.name });
      onSaved(saved);
    } catch (thrown) {
      const failure = asProblem(thrown);
      if (failure.status === 412 && revises) setConflict(await fetchNote(revises.id).catch(() => null));
      setProblem(failure);
    }
    setWorking(false);
  };

  return {
    working,
    problem,
    conflict,
    save: () => send(null),
    overwrite: async () => {
      if (!conflict) return;
      dispatch({ kind: "rebase", version: conflict.version });
      setConflict(null);
      await send(conflict.version);
    },
    settle: () => {
      setConflict(null);
      setProblem(null);
    },
  };
}

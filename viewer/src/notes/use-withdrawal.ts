// Withdrawing a note: the one that is asked about, and how that goes.
import { useState } from "react";
import { withdrawNote } from "../api/client";
import type { Note } from "../api/contract";
import { asProblem, type Problem } from "../api/problem";
import { saveAuthor } from "../model/draft-store";
import { titleText } from "../model/titles";
import { useAnnounce } from "../parts/announcer";

export function useWithdrawal(refresh: () => Promise<void>) {
  const announce = useAnnounce();
  const [note, setNote] = useState<Note | null>(null);
  const [working, setWorking] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const ask = (asked: Note | null) => {
    setProblem(null);
    setNote(asked);
  };
  const withdraw = async (reason: string, who: string) => {
    if (!note || working) return;
    setWorking(true);
    try {
      await withdrawNote(note.id, note.version, reason, who);
      saveAuthor(who);
      announce(`Withdrew “${titleText(note.title)}”`);
      ask(null);
    } catch (thrown) {
      setProblem(asProblem(thrown));
    }
    setWorking(false);
    void refresh();
  };
  return { note, working, problem, ask, close: () => ask(null), withdraw };
}

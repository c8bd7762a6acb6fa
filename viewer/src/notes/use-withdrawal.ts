// Withdrawing a note: the one that is asked about, how that goes, and taking it back for a while.
import { useEffect, useState } from "react";
import { undoWithdrawal, withdrawNote } from "../api/client";
import type { Note, WithdrawnNote } from "../api/contract";
import { asProblem, type Problem } from "../api/problem";
import { loadAuthor, saveAuthor } from "../model/draft-store";
import { titleText } from "../model/titles";
import { useAnnounce } from "../parts/announcer";

/** Milliseconds for which taking it back is offered; later the list of withdrawals has it. */
const OFFERED_FOR = 60_000;

export function useWithdrawal(refresh: () => Promise<void>) {
  const announce = useAnnounce();
  const [note, setNote] = useState<Note | null>(null);
  const [working, setWorking] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [withdrawn, setWithdrawn] = useState<WithdrawnNote | null>(null);
  useEffect(() => {
    if (!withdrawn) return;
    const left = Date.parse(withdrawn.withdrawal.closes_at) - Date.now();
    const timer = setTimeout(() => setWithdrawn(null), Math.max(0, Math.min(left, OFFERED_FOR)));
    return () => clearTimeout(timer);
  }, [withdrawn]);
  const ask = (asked: Note | null) => {
    setProblem(null);
    setNote(asked);
  };
  const withdraw = async (reason: string, who: string) => {
    if (!note || working) return;
    setWorking(true);
    try {
      const gone = await withdrawNote(note.id, note.version, reason, who);
      saveAuthor(who);
      announce(`Withdrew “${titleText(note.title)}”`);
      ask(null);
      setWithdrawn(gone.withdrawal.state === "open" ? gone : null);
    } catch (thrown) {
      setProblem(asProblem(thrown));
    }
    setWorking(false);
    void refresh();
  };
  const undo = async () => {
    if (!withdrawn || working) return;
    setWorking(true);
    setProblem(null);
    try {
      await undoWithdrawal(withdrawn.withdrawal.id, loadAuthor());
      announce(`“${titleText(withdrawn.title)}” is back`);
      setWithdrawn(null);
    } catch (thrown) {
      setProblem(asProblem(thrown));
    }
    setWorking(false);
    void refresh();
  };
  return {
    note,
    withdrawn,
    working,
    problem,
    ask,
    close: () => ask(null),
    withdraw,
    undo,
    forget: () => setWithdrawn(null),
  };
}

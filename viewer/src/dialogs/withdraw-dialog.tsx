import { type KeyboardEvent, useId, useState } from "react";
import type { Note } from "../api/contract";
import type { Problem } from "../api/problem";
import { signedIn } from "../api/session";
import { loadAuthor } from "../model/draft-store";
import { titleText } from "../model/titles";
import { plural } from "../model/when";
import { ProblemNotice } from "../parts/problem-notice";
import { ConfirmDialog } from "./confirm-dialog";

const REASONS = ["Marked by mistake", "Wrong patient or study", "Replaced by another note"];

interface WithdrawDialogProps {
  note: Note;
  working: boolean;
  problem: Problem | null;
  onClose: () => void;
  onWithdraw: (reason: string, who: string) => void;
}

/** Who withdraws a note, and why. */
export function WithdrawDialog({ note, working, problem, onClose, onWithdraw }: WithdrawDialogProps) {
  const [reason, setReason] = useState("");
  const [who, setWho] = useState(loadAuthor);
  const id = useId();
  const ready = reason.trim() !== "" && who.trim() !== "" && !working;
  const withdraw = () => ready && onWithdraw(reason.trim(), who.trim());
  const onEnter = (event: KeyboardEvent) => event.key === "Enter" && withdraw();
  return (
    <ConfirmDialog
      title="Withdraw this note?"
      testid="withdraw-dialog"
      keep="Keep it"
      confirm={working ? "Withdrawing…" : "Withdraw"}
      confirmTestid="withdraw-confirm"
      ready={ready}
      onClose={onClose}
      onConfirm={withdraw}
    >
      <p>
        “{titleText(note.title)}” with {plural(note.references.length, "image")} will no longer be shown or
        sent. The images stay. It is kept on record with who withdrew it, and why.
      </p>
      <div className="field">
        <label htmlFor={id}>Reason</label>
        <input
          id={id}
          type="text"
          value={reason}
          onChange={(event) => setReason(event.target.value)}
          onKeyDown={onEnter}
          data-first
          data-testid="withdraw-reason"
        />
        <div className="chips">
          {REASONS.map((text) => (
            <button key={text} type="button" className="chip chip-button" onClick={() => setReason(text)}>
              {text}
            </button>
          ))}
        </div>
      </div>
      {!signedIn() && (
        <div className="field">
          <label htmlFor={`${id}-who`}>Your name</label>
          <input
            id={`${id}-who`}
            type="text"
            autoComplete="name"
            value={who}
            onChange={(event) => setWho(event.target.value)}
            onKeyDown={onEnter}
            data-testid="withdraw-who"
          />
        </div>
      )}
      {problem && <ProblemNotice problem={problem} />}
    </ConfirmDialog>
  );
}

// The questions the study page asks.
import { type KeyboardEvent, useId, useState } from "react";
import type { Note } from "../api/contract";
import type { Problem } from "../api/problem";
import type { Draft } from "../model/draft";
import { loadAuthor } from "../model/draft-store";
import { titleText } from "../model/titles";
import { moment, personName, plural } from "../model/when";
import { Dialog } from "./dialog";
import { ProblemNotice } from "../parts/problem-notice";

const REASONS = ["Marked by mistake", "Wrong patient or study", "Replaced by another note"];

interface WithdrawDialogProps {
  note: Note;
  working: boolean;
  problem: Problem | null;
  onClose: () => void;
  onWithdraw: (reason: string, who: string) => void;
}

export function WithdrawDialog({ note, working, problem, onClose, onWithdraw }: WithdrawDialogProps) {
  const [reason, setReason] = useState("");
  const [who, setWho] = useState(loadAuthor);
  const id = useId();
  const ready = reason.trim() !== "" && who.trim() !== "" && !working;
  const withdraw = () => ready && onWithdraw(reason.trim(), who.trim());
  const onEnter = (event: KeyboardEvent) => event.key === "Enter" && withdraw();
  return (
    <Dialog
      title="Withdraw this note?"
      testid="withdraw-dialog"
      onClose={onClose}
      actions={
        <>
          <button type="button" className="button" onClick={onClose}>
            Keep it
          </button>
          <button
            type="button"
            className="button danger-primary"
            disabled={!ready}
            onClick={withdraw}
            data-testid="withdraw-confirm"
          >
            {working ? "Withdrawing…" : "Withdraw"}
          </button>
        </>
      }
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
      {problem && <ProblemNotice problem={problem} />}
    </Dialog>
  );
}

interface ConflictDialogProps {
  draft: Draft;
  theirs: Note;
  onOverwrite: () => void;
  onTakeTheirs: () => void;
  onClose: () => void;
}

/** Somebody else revised the note meanwhile: which one shall stand? */
export function ConflictDialog({ draft, theirs, onOverwrite, onTakeTheirs, onClose }: ConflictDialogProps) {
  return (
    <Dialog
      title="This note was revised by somebody else"
      testid="conflict-dialog"
      onClose={onClose}
      actions={
        <>
          <button type="button" className="button" onClick={onTakeTheirs} data-testid="conflict-theirs">
            Drop mine, keep theirs
          </button>
          <button
            type="button"
            className="button primary"
            onClick={onOverwrite}
            data-testid="conflict-overwrite"
          >
            Save mine over theirs
          </button>
        </>
      }
    >
      <p>
        While you were writing, version {theirs.version} was saved. Close this to go on editing; nothing is
        lost.
      </p>
      <div className="compare">
        <section>
          <h3>Yours</h3>
          <Summary
            title={titleText(draft.title)}
            description={draft.description}
            images={draft.references.length}
          />
        </section>
        <section>
          <h3>Theirs</h3>
          <Summary
            title={titleText(theirs.title)}
            description={theirs.description ?? ""}
            images={theirs.references.length}
          />
          <p className="quiet">
            {[personName(theirs.author?.name), moment(theirs.created)].filter(Boolean).join(" · ")}
          </p>
        </section>
      </div>
    </Dialog>
  );
}

function Summary({ title, description, images }: { title: string; description: string; images: number }) {
  return (
    <>
      <p>
        <strong>{title}</strong>
      </p>
      <p dir="auto">{description || "No description"}</p>
      <p className="quiet">{plural(images, "image")}</p>
    </>
  );
}

interface DiscardDialogProps {
  onDiscard: () => void;
  onClose: () => void;
}

export function DiscardDialog({ onDiscard, onClose }: DiscardDialogProps) {
  return (
    <Dialog
      title="Discard what you have written?"
      testid="discard-dialog"
      onClose={onClose}
      actions={
        <>
          <button type="button" className="button" onClick={onClose}>
            Keep writing
          </button>
          <button
            type="button"
            className="button danger-primary"
            onClick={onDiscard}
            data-testid="discard-confirm"
          >
            Discard
          </button>
        </>
      }
    >
      <p>The draft of this study has not been saved.</p>
    </Dialog>
  );
}

const KEYS: [string, string][] = [
  ["K", "Star this picture (a frame, in a multi-frame image)"],
  ["Shift K", "Star the whole multi-frame image"],
  ["↑ ↓ ← →", "Previous, next picture"],
  ["Page ↑ ↓", "Ten pictures on"],
  ["Home, End", "First, last picture"],
  ["[ ]", "Previous, next series"],
  ["P, N", "Previous, next key image"],
  ["+ −", "Zoom"],
  ["V", "Invert"],
  ["0", "Reset window, zoom and position"],
  ["Ctrl Enter", "Save the note"],
];

const POINTER: [string, string][] = [
  ["Wheel", "Scroll through the series"],
  ["Drag", "Window: across for width, down for centre"],
  ["Shift drag", "Move the picture"],
  ["Ctrl wheel", "Zoom"],
  ["Double click", "Fit"],
];

export function KeysDialog({ titleKeys, onClose }: { titleKeys: [string, string][]; onClose: () => void }) {
  const table = (name: string, rows: [string, string][]) => (
    <section>
      <h3>{name}</h3>
      <dl className="keys">
        {rows.map(([key, text]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
  return (
    <Dialog title="Keyboard and pointer" testid="keys-dialog" onClose={onClose}>
      <div className="keys-columns">
        {table("Keys", KEYS)}
        <div>
          {table("Pointer", POINTER)}
          {titleKeys.length > 0 && table("Star under a title", titleKeys)}
        </div>
      </div>
    </Dialog>
  );
}

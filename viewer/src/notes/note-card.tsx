import { useId, useState } from "react";
import type { Note, Title } from "../api/contract";
import { may, signedIn } from "../api/session";
import { isUnreadable, isWithdrawn, type Tile, worst } from "../model/notes";
import { findTitle, groupName, titleText } from "../model/titles";
import { moment, personName, plural } from "../model/when";
import { FindingList } from "../parts/finding-list";
import { Bin, Copy, Pencil, Warning } from "../parts/icons";
import { Strip } from "./strip";

export interface NoteActions {
  onGo: (note: Note, tile: Tile) => void;
  onRevise: (note: Note) => void;
  onCopy: (note: Note) => void;
  onWithdraw: (note: Note) => void;
}

interface NoteCardProps extends NoteActions {
  note: Note;
  titles: readonly Title[];
  chosen: boolean;
  at: { sop: string; frame: number | null } | null;
  nameOf: (sop: string) => string | null;
}

const ORIGIN: Record<Note["origin"], { text: string; hint: string }> = {
  authored: { text: "authored here", hint: "Made in this Kinote" },
  received: { text: "received", hint: "Came as a Key Object Selection document from another system" },
  migrated: { text: "migrated", hint: "Taken over from another system's tables" },
};

export function NoteCard({ note, titles, chosen, at, nameOf, ...actions }: NoteCardProps) {
  const heading = useId();
  if (isUnreadable(note)) return <UnreadableCard note={note} chosen={chosen} />;
  const group = findTitle(titles, note.title)?.group ?? "other";
  const withdrawn = isWithdrawn(note);
  const origin = ORIGIN[note.origin];
  return (
    <article
      className={`note ${chosen ? "is-chosen" : ""} ${withdrawn ? "is-withdrawn" : ""}`}
      aria-labelledby={heading}
      data-testid="note"
      data-note={note.id}
      data-origin={note.origin}
      data-standing={note.standing}
    >
      <header className="note-head">
        <h3 id={heading} data-testid="note-title">
          {titleText(note.title)}
        </h3>
        {withdrawn && <span className="badge badge-error">withdrawn</span>}
        {group !== "clinical" && group !== "other" && <span className="badge">{groupName(group)}</span>}
        <span className={`badge origin-${note.origin}`} title={origin.hint} data-testid="note-origin">
          {origin.text}
        </span>
        {note.awaited.length > 0 && (
          <span
            className="badge"
            title={note.awaited.map((awaited) => awaited.reason).join(" ")}
            data-testid="note-waiting"
          >
            document waits
          </span>
        )}
      </header>
      {note.modifiers.length > 0 && (
        <ul className="chips note-modifiers" aria-label="Modifiers">
          {note.modifiers.map((modifier) => (
            <li key={`${modifier.scheme} ${modifier.value}`} className="chip">
              {modifier.meaning || modifier.value}
            </li>
          ))}
        </ul>
      )}
      {note.description && (
        <p
          className="note-description"
          dir="auto"
          lang={note.language || undefined}
          data-testid="note-description"
        >
          {note.description}
        </p>
      )}
      <Strip note={note} at={at} nameOf={nameOf} onGo={(tile) => actions.onGo(note, tile)} />
      <footer className="note-foot">
        <span className="quiet" data-testid="note-author">
          {[personName(note.author?.name), moment(note.created)].filter(Boolean).join(" · ")}
          {note.version > 1 && note.origin === "authored" && ` · version ${note.version}`}
        </span>
        {!withdrawn && <Actions note={note} group={group} {...actions} />}
      </footer>
      <FindingsBadge note={note} />
    </article>
  );
}

function Actions({ note, group, onRevise, onCopy, onWithdraw }: NoteActions & { note: Note; group: string }) {
  const act = group === "rejection" || group === "manifest";
  if (act) return null;
  const name = titleText(note.title);
  return (
    <span className="note-actions">
      {note.origin === "authored" && may("mark") && (
        <button
          type="button"
          className="icon-button"
          aria-label={`Revise note ${name}`}
          title="Revise"
          onClick={() => onRevise(note)}
          data-testid="note-revise"
        >
          <Pencil />
        </button>
      )}
      {may("mark") && (
        <button
          type="button"
          className="icon-button"
          aria-label={`Copy note ${name} as a new note`}
          title={
            note.origin === "authored"
              ? "Copy as new note"
              : "Copy as new note (a note from elsewhere cannot be revised)"
          }
          onClick={() => onCopy(note)}
          data-testid="note-copy"
        >
          <Copy />
        </button>
      )}
      {mayWithdraw(note) && (
        <button
          type="button"
          className="icon-button danger"
          aria-label={`Withdraw note ${name}`}
          title="Withdraw"
          onClick={() => onWithdraw(note)}
          data-testid="note-withdraw"
        >
          <Bin />
        </button>
      )}
    </span>
  );
}

/** One's own notes, or anybody's. */
function mayWithdraw(note: Note): boolean {
  const own = note.origin === "authored" && note.author?.login === signedIn()?.login;
  return may("withdraw") && (own || may("withdraw-others"));
}

function FindingsBadge({ note }: { note: Note }) {
  const [open, setOpen] = useState(false);
  const severity = worst(note.findings);
  if (!severity) return null;
  return (
    <div className="note-findings">
      <button
        type="button"
        className={`badge badge-button badge-${severity}`}
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        data-testid="note-findings"
      >
        <Warning /> {plural(note.findings.length, "finding")}
      </button>
      {open && <FindingList findings={note.findings} />}
    </div>
  );
}

/** The placeholder of a document that could not be read: kept, shown and explained. */
function UnreadableCard({ note, chosen }: { note: Note; chosen: boolean }) {
  const heading = useId();
  const uid = note.key_objects[0]?.sop_instance_uid;
  return (
    <article
      className={`note note-unreadable ${chosen ? "is-chosen" : ""}`}
      aria-labelledby={heading}
      data-testid="note-unreadable"
      data-note={note.id}
    >
      <header className="note-head">
        <Warning />
        <h3 id={heading}>A note that cannot be read</h3>
      </header>
      <p>
        A Key Object Selection document came with this study, but it could not be understood. It is kept as
        received and marks no image.
      </p>
      <FindingList findings={note.findings} />
      {uid && <code className="uid quiet">{uid}</code>}
    </article>
  );
}

import { useEffect, useRef, useState } from "react";
import type { Note, Title } from "../api/contract";
import type { Problem } from "../api/problem";
import { shownNotes, titlesPresent } from "../model/notes";
import { codeKey, titleText } from "../model/titles";
import { plural } from "../model/when";
import { ProblemNotice } from "../parts/problem-notice";
import { type NoteActions, NoteCard } from "./note-card";

interface NotesPanelProps extends NoteActions {
  notes: Note[] | null;
  problem: Problem | null;
  titles: readonly Title[];
  /** The id of the note that a link, a save or a click has chosen. */
  chosen: string | null;
  at: { sop: string; frame: number | null } | null;
  nameOf: (sop: string) => string | null;
  onRetry: () => void;
}

const keyOf = (note: Note) => (note.title ? codeKey(note.title) : "");

export function NotesPanel({ notes, problem, titles, chosen, onRetry, ...rest }: NotesPanelProps) {
  const [asked, setAsked] = useState<boolean | null>(null);
  const [title, setTitle] = useState("");
  const list = useRef<HTMLUListElement>(null);
  const usual = shownNotes(notes ?? [], titles, false);
  const hidden = (notes?.length ?? 0) - usual.length;
  const isChosen = (note: Note) => String(note.id) === chosen;
  // A link may lead to a document that is usually left out.
  const everything = asked ?? (notes?.some(isChosen) === true && !usual.some(isChosen));
  const visible = everything ? shownNotes(notes ?? [], titles, true) : usual;
  const present = titlesPresent(visible);
  const wanted = present.some((entry) => entry.title && codeKey(entry.title) === title) ? title : "";
  const filtered = wanted ? visible.filter((note) => keyOf(note) === wanted) : visible;
  const ready = notes !== null;
  const shown = chosen !== null && filtered.some(isChosen);

  useEffect(() => {
    if (!chosen || !shown) return;
    const card = list.current?.querySelector(`[data-note="${CSS.escape(chosen)}"]`);
    card?.scrollIntoView({ block: "nearest" });
  }, [chosen, shown]);

  return (
    <section className="notes-panel" aria-labelledby="notes-heading" data-testid="notes-panel">
      <div className="panel-head">
        <h2 id="notes-heading">
          Notes{" "}
          {ready && (
            <span className="quiet" data-testid="notes-count">
              {visible.length}
            </span>
          )}
        </h2>
        {present.length > 1 && (
          <label className="panel-filter">
            <span className="visually-hidden">Show notes titled</span>
            <select
              value={wanted}
              onChange={(event) => setTitle(event.target.value)}
              data-testid="note-filter"
            >
              <option value="">All titles</option>
              {present.map((entry) =>
                entry.title ? (
                  <option key={codeKey(entry.title)} value={codeKey(entry.title)}>
                    {titleText(entry.title)} ({entry.count})
                  </option>
                ) : null,
              )}
            </select>
          </label>
        )}
      </div>
      {problem && <ProblemNotice problem={problem} onRetry={onRetry} />}
      {ready && filtered.length === 0 && (
        <p className="quiet panel-empty" data-testid="no-notes">
          No notes yet. Press <kbd>K</kbd> on a picture to mark it as a key image.
        </p>
      )}
      <ul ref={list} className="notes-list">
        {filtered.map((note) => (
          <li key={note.id}>
            <NoteCard note={note} titles={titles} chosen={isChosen(note)} {...rest} />
          </li>
        ))}
      </ul>
      {(hidden > 0 || everything) && (
        <label className="check">
          <input
            type="checkbox"
            checked={everything}
            onChange={(event) => setAsked(event.target.checked)}
            data-testid="show-all-documents"
          />
          <span>
            Show all documents
            <span className="quiet">
              {" "}
              · {plural(hidden, "more", "more")}: manifests, rejection notes, withdrawn notes
            </span>
          </span>
        </label>
      )}
    </section>
  );
}

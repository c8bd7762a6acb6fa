import { useCallback, useEffect, useMemo, useRef } from "react";
import { searchNotes } from "../api/client";
import type { NoteFilter } from "../api/contract";
import { plural } from "../model/when";
import { useKeys } from "../parts/keys";
import { MoreButton } from "../lists/more-button";
import { ProblemNotice } from "../parts/problem-notice";
import { usePages } from "../lists/use-pages";
import { useRowFocus } from "../lists/use-row-focus";
import { go } from "../router";
import { isNoteFiltered, NO_NOTE_FILTER, noteFilterAddress, noteFilterOf } from "./note-filter";
import { NoteFilterBar } from "./note-filter-bar";
import { NoteRow } from "./note-row";

/** The notes of all studies, newest first. What is searched for stands in the address. */
export function NotesPage({ query }: { query: URLSearchParams }) {
  const written = query.toString();
  const filter = useMemo(() => noteFilterOf(new URLSearchParams(written)), [written]);
  const fetchPage = useCallback(
    (cursor: string | null, signal: AbortSignal) => searchNotes(filter, cursor, signal),
    [filter],
  );
  const pages = usePages(fetchPage);
  const list = useRef<HTMLUListElement>(null);
  const search = useRef<HTMLInputElement>(null);
  const moveFocus = useRowFocus(list);

  useEffect(() => {
    document.title = "Notes · Kinote";
  }, []);
  useKeys((event) => {
    if (event.key === "/") search.current?.focus();
    else if (event.key === "ArrowDown" || event.key === "j") moveFocus(1);
    else if (event.key === "ArrowUp") moveFocus(-1);
    else return false;
    return true;
  });

  const change = (part: Partial<NoteFilter>) => {
    // Read from the address: two fields may change before this page is drawn again.
    const now = noteFilterOf(new URLSearchParams(window.location.search));
    go(noteFilterAddress({ ...now, ...part }), "replace");
  };
  const nothing = !pages.starting && !pages.problem && pages.items.length === 0;
  return (
    <section className="page" aria-labelledby="notes-title">
      <div className="page-head">
        <h1 id="notes-title">Notes</h1>
        <p className="quiet" aria-live="polite" data-testid="found-count">
          {pages.starting || nothing
            ? ""
            : `${plural(pages.items.length, "note")}${pages.hasMore ? " so far" : ""}`}
        </p>
      </div>
      <NoteFilterBar filter={filter} search={search} onChange={change} />
      {pages.problem && <ProblemNotice problem={pages.problem} onRetry={pages.retry} />}
      <ul
        ref={list}
        className={`note-rows ${pages.loading ? "is-loading" : ""}`}
        aria-busy={pages.loading}
        data-testid="note-rows"
      >
        {pages.items.map((note) => (
          <NoteRow key={note.id} note={note} />
        ))}
      </ul>
      {nothing && <Nothing filtered={isNoteFiltered(filter)} onClear={() => change(NO_NOTE_FILTER)} />}
      <MoreButton pages={pages} testid="more-notes" />
    </section>
  );
}

function Nothing({ filtered, onClear }: { filtered: boolean; onClear: () => void }) {
  return (
    <div className="empty" data-testid="no-found-notes">
      <h2>{filtered ? "No note matches" : "No notes yet"}</h2>
      {filtered ? (
        <>
          <p>
            Author means the beginning of a name, Patient ID the whole of it. Manifests and rejection notes
            are found when their title is chosen.
          </p>
          <button type="button" className="button" onClick={onClear}>
            Clear the search
          </button>
        </>
      ) : (
        <p>Open a study and star a picture to make one.</p>
      )}
    </div>
  );
}

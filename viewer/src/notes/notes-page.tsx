import { searchNotes } from "../api/client";
import { ListPage } from "../lists/list-page";
import { useFilteredList } from "../lists/use-filtered-list";
import { plural } from "../model/when";
import { NOTE_FILTER } from "./note-filter";
import { NoteFilterBar } from "./note-filter-bar";
import { NoteRow } from "./note-row";

/** The notes of all studies, newest first. */
export function NotesPage({ query }: { query: URLSearchParams }) {
  const list = useFilteredList(query, NOTE_FILTER, searchNotes);
  const { pages, isFiltered, change } = list;
  return (
    <ListPage
      title="Notes"
      pages={pages}
      counted={(count) => plural(count, "note")}
      bar={<NoteFilterBar list={list} />}
      nothing={<Nothing filtered={isFiltered} onClear={() => change(NOTE_FILTER.none)} />}
      testids={{ count: "found-count", more: "more-notes" }}
      rows={list.rows}
    >
      <ul className="note-rows" data-testid="note-rows">
        {pages.items.map((note) => (
          <NoteRow key={note.id} note={note} />
        ))}
      </ul>
    </ListPage>
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

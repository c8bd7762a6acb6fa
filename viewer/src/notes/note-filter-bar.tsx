import { type RefObject, useEffect, useState } from "react";
import { titles as fetchTitles } from "../api/client";
import type { NoteFilter, Title } from "../api/contract";
import { codeKey, titleGroups } from "../model/titles";
import { Cross, Search } from "../parts/icons";
import { useTyped } from "../lists/use-typed";
import { isNoteFiltered, NO_NOTE_FILTER } from "./note-filter";

interface NoteFilterBarProps {
  filter: NoteFilter;
  search: RefObject<HTMLInputElement | null>;
  /** Change parts of the filter, and leave the others as they are by then. */
  onChange: (part: Partial<NoteFilter>) => void;
}

export function NoteFilterBar({ filter, search, onChange }: NoteFilterBarProps) {
  const [text, setText] = useTyped(filter.text, (typed) => onChange({ text: typed }));
  return (
    <form className="filter-bar" onSubmit={(event) => event.preventDefault()}>
      <search className="filter-search">
        <Search />
        <input
          ref={search}
          type="search"
          dir="auto"
          value={text}
          placeholder="Part of a description"
          aria-label="Search descriptions of notes"
          aria-keyshortcuts="/"
          data-testid="note-search"
          onChange={(event) => setText(event.target.value)}
        />
        <span className="kbd" aria-hidden="true">
          /
        </span>
      </search>
      <TitleFilter chosen={filter.title} onChoose={(title) => onChange({ title })} />
      <TypedField
        label="Author"
        hint="Family name"
        value={filter.author}
        testid="note-author-filter"
        onType={(author) => onChange({ author })}
      />
      <TypedField
        label="Patient ID"
        hint="Whole ID"
        value={filter.patient}
        testid="note-patient-filter"
        onType={(patient) => onChange({ patient })}
      />
      <label className="field-inline">
        <span>Origin</span>
        <select
          value={filter.origin}
          data-testid="note-origin-filter"
          onChange={(event) => onChange({ origin: event.target.value })}
        >
          <option value="">Any</option>
          <option value="authored">Authored here</option>
          <option value="received">Received</option>
          <option value="migrated">Migrated</option>
        </select>
      </label>
      <label className="field-inline">
        <span>Since</span>
        <input
          type="date"
          value={filter.since}
          data-testid="note-since-filter"
          onChange={(event) => onChange({ since: event.target.value })}
        />
      </label>
      {isNoteFiltered(filter) && (
        <button
          type="button"
          className="button plain"
          data-testid="note-filter-clear"
          onClick={() => onChange(NO_NOTE_FILTER)}
        >
          <Cross /> Clear
        </button>
      )}
    </form>
  );
}

interface TypedFieldProps {
  label: string;
  hint: string;
  value: string;
  testid: string;
  onType: (text: string) => void;
}

function TypedField({ label, hint, value, testid, onType }: TypedFieldProps) {
  const [text, setText] = useTyped(value, onType);
  return (
    <label className="field-inline">
      <span>{label}</span>
      <input
        type="text"
        size={14}
        value={text}
        placeholder={hint}
        data-testid={testid}
        onChange={(event) => setText(event.target.value)}
      />
    </label>
  );
}

function TitleFilter({ chosen, onChoose }: { chosen: string; onChoose: (title: string) => void }) {
  const [titles, setTitles] = useState<readonly Title[]>([]);
  useEffect(() => {
    fetchTitles().then(
      (known) => setTitles(known.items),
      // The other fields search without them; the list itself says what is wrong with the server.
      () => undefined,
    );
  }, []);
  const known = titles.some((title) => codeKey(title) === chosen);
  return (
    <label className="field-inline title-filter">
      <span>Title</span>
      <select
        value={chosen}
        data-testid="note-title-filter"
        onChange={(event) => onChoose(event.target.value)}
      >
        <option value="">Any key image note</option>
        {chosen && !known && <option value={chosen}>{chosen}</option>}
        {titleGroups(titles, () => true).map((group) => (
          <optgroup key={group.group} label={group.name}>
            {group.titles.map((title) => (
              <option key={codeKey(title)} value={codeKey(title)}>
                {title.meaning}
              </option>
            ))}
          </optgroup>
        ))}
      </select>
    </label>
  );
}

import { useEffect, useState } from "react";
import { titles as fetchTitles } from "../api/client";
import type { FoundNote, NoteFilter, Title } from "../api/contract";
import { FilterBar } from "../lists/filter-bar";
import { ChoiceField, DayField, TextField } from "../lists/filter-fields";
import type { FilteredList } from "../lists/use-filtered-list";
import { codeKey, titleGroups } from "../model/titles";
import { NOTE_FILTER } from "./note-filter";

export function NoteFilterBar({ list }: { list: FilteredList<NoteFilter, FoundNote> }) {
  const { filter, isFiltered, change, search, toFirstRow } = list;
  return (
    <FilterBar
      text={filter.text}
      label="Search descriptions of notes"
      hint="Part of a description"
      isFiltered={isFiltered}
      search={search}
      testids={{ search: "note-search", clear: "note-filter-clear" }}
      onText={(text) => change({ text })}
      onClear={() => change(NOTE_FILTER.none)}
      onArrowDown={toFirstRow}
    >
      <TitleField chosen={filter.title} onChoose={(title) => change({ title })} />
      <TextField
        label="Author"
        hint="Family name"
        value={filter.author}
        testid="note-author-filter"
        onChange={(author) => change({ author })}
      />
      <TextField
        label="Patient ID"
        hint="Whole ID"
        value={filter.patient}
        testid="note-patient-filter"
        onChange={(patient) => change({ patient })}
      />
      <ChoiceField
        label="Origin"
        value={filter.origin}
        testid="note-origin-filter"
        onChange={(origin) => change({ origin })}
      >
        <option value="">Any</option>
        <option value="authored">Authored here</option>
        <option value="received">Received</option>
        <option value="migrated">Migrated</option>
      </ChoiceField>
      <DayField
        label="Since"
        value={filter.since}
        testid="note-since-filter"
        onChange={(since) => change({ since })}
      />
    </FilterBar>
  );
}

function TitleField({ chosen, onChoose }: { chosen: string; onChoose: (title: string) => void }) {
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
    <ChoiceField label="Title" value={chosen} testid="note-title-filter" onChange={onChoose}>
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
    </ChoiceField>
  );
}

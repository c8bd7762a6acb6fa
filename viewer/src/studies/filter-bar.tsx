import type { RefObject } from "react";
import type { StudyFilter } from "../api/contract";
import { Cross, Search, Star } from "../parts/icons";
import { useTyped } from "../lists/use-typed";
import { isFiltered, NO_FILTER } from "./filter";

const MODALITIES = [
  "CT",
  "MR",
  "US",
  "CR",
  "DX",
  "MG",
  "PT",
  "NM",
  "XA",
  "RF",
  "ES",
  "XC",
  "OP",
  "OPT",
  "SM",
];

interface FilterBarProps {
  filter: StudyFilter;
  search: RefObject<HTMLInputElement | null>;
  onChange: (filter: StudyFilter) => void;
  onArrowDown: () => void;
}

export function FilterBar({ filter, search, onChange, onArrowDown }: FilterBarProps) {
  const [text, setText] = useTyped(filter.text, (typed) => onChange({ ...filter, text: typed }));
  const options =
    filter.modality && !MODALITIES.includes(filter.modality) ? [filter.modality, ...MODALITIES] : MODALITIES;
  return (
    <form className="filter-bar" onSubmit={(event) => event.preventDefault()}>
      <search className="filter-search">
        <Search />
        <input
          ref={search}
          type="search"
          value={text}
          placeholder="Patient, ID, accession number, description"
          aria-label="Search studies"
          aria-keyshortcuts="/"
          data-testid="study-search"
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "ArrowDown") {
              event.preventDefault();
              onArrowDown();
            }
          }}
        />
        <span className="kbd" aria-hidden="true">
          /
        </span>
      </search>
      <label className="field-inline">
        <span>Modality</span>
        <select
          value={filter.modality}
          data-testid="filter-modality"
          onChange={(event) => onChange({ ...filter, modality: event.target.value })}
        >
          <option value="">Any</option>
          {options.map((modality) => (
            <option key={modality}>{modality}</option>
          ))}
        </select>
      </label>
      <label className="field-inline">
        <span>From</span>
        <input
          type="date"
          value={filter.from}
          max={filter.to || undefined}
          data-testid="filter-from"
          onChange={(event) => onChange({ ...filter, from: event.target.value })}
        />
      </label>
      <label className="field-inline">
        <span>To</span>
        <input
          type="date"
          value={filter.to}
          min={filter.from || undefined}
          data-testid="filter-to"
          onChange={(event) => onChange({ ...filter, to: event.target.value })}
        />
      </label>
      <button
        type="button"
        className="button toggle"
        aria-pressed={filter.withNotes}
        data-testid="filter-with-notes"
        onClick={() => onChange({ ...filter, withNotes: !filter.withNotes })}
      >
        <Star filled={filter.withNotes} /> With notes
      </button>
      {isFiltered(filter) && (
        <button
          type="button"
          className="button plain"
          data-testid="filter-clear"
          onClick={() => onChange(NO_FILTER)}
        >
          <Cross /> Clear
        </button>
      )}
    </form>
  );
}

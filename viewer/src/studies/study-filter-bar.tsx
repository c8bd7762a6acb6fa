import type { StudyFilter, StudySummary } from "../api/contract";
import { FilterBar } from "../lists/filter-bar";
import { ChoiceField, DayField } from "../lists/filter-fields";
import type { FilteredList } from "../lists/use-filtered-list";
import { Star } from "../parts/icons";
import { STUDY_FILTER } from "./study-filter";

const MODALITIES = ["CT", "MR", "US", "CR", "DX", "MG", "PT", "NM", "XA", "RF", "ES", "XC", "OP", "OPT", "SM"];

export function StudyFilterBar({ list }: { list: FilteredList<StudyFilter, StudySummary> }) {
  const { filter, isFiltered, change, search, toFirstRow } = list;
  const modalities =
    filter.modality && !MODALITIES.includes(filter.modality) ? [filter.modality, ...MODALITIES] : MODALITIES;
  return (
    <FilterBar
      text={filter.text}
      label="Search studies"
      hint="Patient, ID, accession number, description"
      isFiltered={isFiltered}
      search={search}
      testids={{ search: "study-search", clear: "filter-clear" }}
      onText={(text) => change({ text })}
      onClear={() => change(STUDY_FILTER.none)}
      onArrowDown={toFirstRow}
    >
      <ChoiceField
        label="Modality"
        value={filter.modality}
        testid="filter-modality"
        onChange={(modality) => change({ modality })}
      >
        <option value="">Any</option>
        {modalities.map((modality) => (
          <option key={modality}>{modality}</option>
        ))}
      </ChoiceField>
      <DayField
        label="From"
        value={filter.from}
        max={filter.to}
        testid="filter-from"
        onChange={(from) => change({ from })}
      />
      <DayField
        label="To"
        value={filter.to}
        min={filter.from}
        testid="filter-to"
        onChange={(to) => change({ to })}
      />
      <button
        type="button"
        className="button toggle"
        aria-pressed={filter.withNotes}
        data-testid="filter-with-notes"
        onClick={() => change({ withNotes: !filter.withNotes })}
      >
        <Star filled={filter.withNotes} /> With notes
      </button>
    </FilterBar>
  );
}

// What the study list is filtered by, and how that is written in the page's address.
import type { StudyFilter } from "../api/contract";

export const NO_FILTER: StudyFilter = { text: "", modality: "", from: "", to: "", withNotes: false };

export function filterOf(query: URLSearchParams): StudyFilter {
  return {
    text: query.get("text") ?? "",
    modality: query.get("modality") ?? "",
    from: query.get("from") ?? "",
    to: query.get("to") ?? "",
    withNotes: query.get("with_notes") === "true",
  };
}

export function filterAddress(filter: StudyFilter): string {
  const query = new URLSearchParams();
  if (filter.text) query.set("text", filter.text);
  if (filter.modality) query.set("modality", filter.modality);
  if (filter.from) query.set("from", filter.from);
  if (filter.to) query.set("to", filter.to);
  if (filter.withNotes) query.set("with_notes", "true");
  const written = query.toString();
  return written ? `/?${written}` : "/";
}

export const isFiltered = (filter: StudyFilter) => filterAddress(filter) !== "/";

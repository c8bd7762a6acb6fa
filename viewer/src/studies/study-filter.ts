// What the study list is filtered by, and how that is written in the page's address.
import type { StudyFilter } from "../api/contract";
import type { FilterAddress } from "../lists/use-filtered-list";

function read(query: URLSearchParams): StudyFilter {
  return {
    text: query.get("text") ?? "",
    modality: query.get("modality") ?? "",
    from: query.get("from") ?? "",
    to: query.get("to") ?? "",
    withNotes: query.get("with_notes") === "true",
  };
}

function write(filter: StudyFilter): string {
  const query = new URLSearchParams();
  if (filter.text) query.set("text", filter.text);
  if (filter.modality) query.set("modality", filter.modality);
  if (filter.from) query.set("from", filter.from);
  if (filter.to) query.set("to", filter.to);
  if (filter.withNotes) query.set("with_notes", "true");
  const written = query.toString();
  return written ? `/?${written}` : "/";
}

export const STUDY_FILTER: FilterAddress<StudyFilter> = {
  none: { text: "", modality: "", from: "", to: "", withNotes: false },
  read,
  write,
};

// What notes are searched by, and how that is written in the page's address.
import type { NoteFilter } from "../api/contract";

export const NO_NOTE_FILTER: NoteFilter = {
  title: "",
  author: "",
  patient: "",
  text: "",
  origin: "",
  since: "",
};

const NAMES = Object.keys(NO_NOTE_FILTER) as (keyof NoteFilter)[];

export function noteFilterOf(query: URLSearchParams): NoteFilter {
  const filter = { ...NO_NOTE_FILTER };
  for (const name of NAMES) filter[name] = query.get(name) ?? "";
  return filter;
}

export function noteFilterAddress(filter: NoteFilter): string {
  const query = new URLSearchParams();
  for (const name of NAMES) if (filter[name]) query.set(name, filter[name]);
  const written = query.toString();
  return written ? `/notes?${written}` : "/notes";
}

export const isNoteFiltered = (filter: NoteFilter) => noteFilterAddress(filter) !== "/notes";

// What notes are searched by, and how that is written in the page's address.
import type { NoteFilter } from "../api/contract";
import type { FilterAddress } from "../lists/use-filtered-list";

const NONE: NoteFilter = { title: "", author: "", patient: "", text: "", origin: "", since: "" };

const NAMES = Object.keys(NONE) as (keyof NoteFilter)[];

function read(query: URLSearchParams): NoteFilter {
  const filter = { ...NONE };
  for (const name of NAMES) filter[name] = query.get(name) ?? "";
  return filter;
}

function write(filter: NoteFilter): string {
  const query = new URLSearchParams();
  for (const name of NAMES) if (filter[name]) query.set(name, filter[name]);
  const written = query.toString();
  return written ? `/notes?${written}` : "/notes";
}

export const NOTE_FILTER: FilterAddress<NoteFilter> = { none: NONE, read, write };

// Document titles as the form offers them.
import type { Code, Title } from "../api/contract";

export const sameCode = (one: Code, other: Code) => one.scheme === other.scheme && one.value === other.value;

export const codeKey = (code: Code) => `${code.scheme}|${code.value}`;

export const codeOf = ({ scheme, value, meaning }: Title): Code => ({ scheme, value, meaning });

export const titleText = (title: Code | null) => title?.meaning || title?.value || "Untitled";

const GROUP_NAMES: Record<string, string> = {
  clinical: "Clinical",
  export: "Export",
  rejection: "Rejection note",
  manifest: "Manifest",
  radiotherapy: "Radiotherapy",
  video: "Video",
  other: "Other",
};

export const groupName = (group: string) => GROUP_NAMES[group] ?? group;

export interface TitleGroup {
  group: string;
  name: string;
  titles: Title[];
}

/** Titles in their groups, clinical and export titles first; those a person can make notes with, if not told otherwise. */
export function titleGroups(
  titles: readonly Title[],
  wanted: (title: Title) => boolean = (title) => title.can_be_made,
): TitleGroup[] {
  const groups = new Map<string, Title[]>();
  for (const group of ["clinical", "export"]) groups.set(group, []);
  for (const title of titles) {
    if (wanted(title)) groups.set(title.group, [...(groups.get(title.group) ?? []), title]);
  }
  return [...groups]
    .filter(([, members]) => members.length > 0)
    .map(([group, members]) => ({ group, name: groupName(group), titles: members }));
}

export const findTitle = (titles: readonly Title[], code: Code | null): Title | null =>
  code ? (titles.find((title) => sameCode(title, code)) ?? null) : null;

// Keys the study page uses itself; a title cannot take them over.
const TAKEN = new Set(["k", "n", "p", "v", "0", "[", "]", "?", "/", "+", "=", "-", " "]);

export function titleOfKey(titles: readonly Title[], key: string): Title | null {
  if (TAKEN.has(key.toLowerCase())) return null;
  return (
    titles.find((title) => title.can_be_made && title.hot_key?.toLowerCase() === key.toLowerCase()) ?? null
  );
}

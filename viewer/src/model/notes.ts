// What the notes of a study say about its images.
import type { Code, Finding, Note, Reference, Title } from "../api/contract";
import { findTitle, sameCode } from "./titles";

/** A placeholder for a document that could not be understood; a title alone may be missing from a real note. */
export const isUnreadable = (note: Note) =>
  note.key_objects.some((object) => object.registration === "unreadable") ||
  (note.title === null && note.references.length === 0);

export const isWithdrawn = (note: Note) => note.standing === "withdrawn";

const MARKLESS = new Set(["rejection", "manifest"]);

/** Does the note flag its images? Rejection notes, manifests and what is withdrawn or unreadable do not. */
export function marks(note: Note, titles: readonly Title[]): boolean {
  if (isWithdrawn(note) || isUnreadable(note)) return false;
  return !MARKLESS.has(findTitle(titles, note.title)?.group ?? "other");
}

// Placeholders of what cannot be read stand last, newer notes before older ones.
const byWhen = (one: Note, other: Note) =>
  Number(isUnreadable(one)) - Number(isUnreadable(other)) ||
  (Date.parse(other.created ?? "") || 0) - (Date.parse(one.created ?? "") || 0);

/** The notes panel shows notes and placeholders, newest first; with `everything` the other documents too. */
export const shownNotes = (notes: readonly Note[], titles: readonly Title[], everything: boolean): Note[] =>
  notes
    .filter((note) => everything || marks(note, titles) || (isUnreadable(note) && !isWithdrawn(note)))
    .sort(byWhen);

export interface TitleCount {
  title: Code | null;
  count: number;
}

export function titlesPresent(notes: readonly Note[]): TitleCount[] {
  const found: TitleCount[] = [];
  for (const { title } of notes) {
    const known = found.find((entry) =>
      entry.title && title ? sameCode(entry.title, title) : entry.title === title,
    );
    if (known) known.count++;
    else found.push({ title, count: 1 });
  }
  return found.sort((one, other) => other.count - one.count);
}

/** The frame list of a reference; empty: the whole image. */
export const framesOf = (reference: Reference): number[] => reference.frames ?? [];

export interface Mark {
  /** Notes that flag the image as a whole. */
  whole: Note[];
  frames: Map<number, Note[]>;
}

export type Marks = ReadonlyMap<string, Mark>;

/** Which images the given notes flag, by SOP Instance UID. */
export function marksOf(notes: readonly Note[], titles: readonly Title[]): Marks {
  const found = new Map<string, Mark>();
  for (const note of notes) {
    if (!marks(note, titles)) continue;
    for (const reference of note.references) {
      if (reference.status === "foreign") continue;
      const mark: Mark = found.get(reference.sop_instance_uid) ?? { whole: [], frames: new Map() };
      found.set(reference.sop_instance_uid, mark);
      const frames = framesOf(reference);
      if (frames.length === 0) mark.whole.push(note);
      for (const frame of frames) mark.frames.set(frame, [...(mark.frames.get(frame) ?? []), note]);
    }
  }
  return found;
}

/** The notes that flag this image, or this frame of it. */
export function notesAt(marked: Marks, sop: string, frame: number | null): Note[] {
  const mark = marked.get(sop);
  if (!mark) return [];
  return [...mark.whole, ...(mark.frames.get(frame ?? 1) ?? [])];
}

/** The presentation state with which a note, given by its number, wants an image (and frame) shown. */
export function statesIn(
  notes: readonly Note[],
  number: string | null,
): (sop: string, frame: number | null) => string | null {
  const references = notes.find((note) => String(note.id) === number)?.references ?? [];
  return (sop, frame) =>
    references.find(
      (reference) =>
        reference.sop_instance_uid === sop &&
        (framesOf(reference).length === 0 || framesOf(reference).includes(frame ?? 1)),
    )?.presentation_state_uid || null;
}

export interface Tile {
  reference: Reference;
  frame: number | null;
}

/** The strip of a note: one tile for each image, or for each frame it names. */
export const tilesOf = (note: Note): Tile[] =>
  note.references.flatMap((reference): Tile[] => {
    const frames = framesOf(reference);
    return frames.length ? frames.map((frame) => ({ reference, frame })) : [{ reference, frame: null }];
  });

const STATUS_TEXT: Record<string, string> = {
  pending: "This image has not arrived yet",
  remote: "This image is kept in another system",
  withdrawn: "This image has been withdrawn",
  foreign: "This image belongs to another patient",
};

export const statusText = (status: string) => STATUS_TEXT[status] ?? status;

/** The worst severity among findings; null when there are none. */
export function worst(findings: readonly Finding[]): Finding["severity"] | null {
  for (const severity of ["error", "warning", "info"] as const) {
    if (findings.some((finding) => finding.severity === severity)) return severity;
  }
  return null;
}

// The note being written: a new one, or a revision of one that exists.
import type { Code, Note, NoteRequest, Presentation, Title } from "../api/contract";
import { framesOf } from "./notes";
import { samePresentation } from "./presentation";
import { findTitle, sameCode } from "./titles";

export interface DraftReference {
  study: string;
  series: string | null;
  sop: string;
  /** Ascending; empty: the whole image. */
  frames: number[];
  segments: number[];
  /** The state of a note that exists; or how the image looked when it was starred. Never both. */
  presentationState: string | null;
  presentation: Presentation | null;
}

export interface Draft {
  /** The note being revised, at the version it was read; null for a new note. */
  revises: { id: Note["id"]; version: number } | null;
  title: Code | null;
  modifiers: Code[];
  description: string;
  language: string;
  author: { kind: "person" | "device"; name: string; login: string };
  references: DraftReference[];
  /** Differs from what it began as. */
  touched: boolean;
}

/** What is toggled: an image, or one frame of it. */
export interface Target {
  study: string;
  series: string;
  sop: string;
  frame: number | null;
  /** How it looks; null or absent: as stored. */
  presentation?: Presentation | null;
  /** The state of another note with which it is shown. */
  presentationState?: string | null;
}

export type DraftAction =
  | { kind: "toggle"; target: Target }
  | { kind: "add"; target: Target }
  | { kind: "remove"; index: number }
  | { kind: "removeFrame"; index: number; frame: number }
  | { kind: "asStored"; index: number }
  | { kind: "move"; from: number; to: number }
  | { kind: "title"; title: Code | null }
  | { kind: "modifier"; modifier: Code; on: boolean }
  | { kind: "description"; text: string }
  | { kind: "author"; name: string }
  | { kind: "revise"; note: Note; author: string }
  | { kind: "copy"; note: Note; author: string }
  | { kind: "rebase"; version: number }
  | { kind: "clear"; author: string };

export function emptyDraft(author: string): Draft {
  return {
    revises: null,
    title: null,
    modifiers: [],
    description: "",
    language: "",
    author: { kind: "person", name: author, login: "" },
    references: [],
    touched: false,
  };
}

function referencesOf(note: Note): DraftReference[] {
  return note.references.map((reference) => ({
    study: reference.study_instance_uid ?? note.study_instance_uid,
    series: reference.series_instance_uid,
    sop: reference.sop_instance_uid,
    frames: framesOf(reference),
    segments: reference.segments ?? [],
    presentationState: reference.presentation_state_uid ?? null,
    presentation: null,
  }));
}

/** What a note says, to be said again: by `author`, whoever said it before. */
function contentOf(note: Note, author: string): Draft {
  return {
    ...emptyDraft(author),
    title: note.title,
    modifiers: note.modifiers,
    description: note.description ?? "",
    language: note.language ?? "",
    references: referencesOf(note),
  };
}

/** Where the draft holds this image or frame; -1 when it does not. A whole image holds all its frames. */
export const holds = (draft: Draft, sop: string, frame: number | null): boolean =>
  draft.references.some(
    (reference) =>
      reference.sop === sop &&
      (reference.frames.length === 0 || (frame !== null && reference.frames.includes(frame))),
  );

function added(references: readonly DraftReference[], target: Target): DraftReference[] {
  const { frame } = target;
  const presentation = target.presentation ?? null;
  const presentationState = target.presentationState ?? null;
  const same = references.findIndex(
    (reference) =>
      reference.sop === target.sop &&
      reference.presentationState === presentationState &&
      samePresentation(reference.presentation ?? null, presentation),
  );
  const known = references[same];
  if (known && frame !== null) {
    const frames = [...new Set([...known.frames, frame])].sort((a, b) => a - b);
    return references.map((reference, index) => (index === same ? { ...reference, frames } : reference));
  }
  if (known)
    return references.map((reference, index) => (index === same ? { ...reference, frames: [] } : reference));
  const fresh: DraftReference = {
    study: target.study,
    series: target.series,
    sop: target.sop,
    frames: frame === null ? [] : [frame],
    segments: [],
    presentationState,
    presentation,
  };
  return [...references, fresh];
}

function removed(references: readonly DraftReference[], target: Target): DraftReference[] {
  return references.flatMap((reference) => {
    if (reference.sop !== target.sop) return [reference];
    const frames = reference.frames.filter((frame) => frame !== target.frame);
    // Taking the only named frame away must not turn the reference into one to the whole image.
    return target.frame === null || frames.length === 0 ? [] : [{ ...reference, frames }];
  });
}

function moved<Item>(items: readonly Item[], from: number, to: number): Item[] {
  const rest = [...items];
  const [item] = rest.splice(from, 1);
  if (item === undefined) return rest;
  rest.splice(Math.max(0, Math.min(rest.length, to)), 0, item);
  return rest;
}

export function draftReducer(draft: Draft, action: DraftAction): Draft {
  const change = (part: Partial<Draft>): Draft => ({ ...draft, ...part, touched: true });
  switch (action.kind) {
    case "toggle": {
      const { sop, frame } = action.target;
      const change_ = holds(draft, sop, frame) ? removed : added;
      return change({ references: change_(draft.references, action.target) });
    }
    case "add":
      return change({ references: added(draft.references, action.target) });
    case "remove":
      return change({ references: draft.references.filter((_, index) => index !== action.index) });
    case "removeFrame":
      return change({
        references: draft.references.flatMap((reference, index) => {
          if (index !== action.index) return [reference];
          const frames = reference.frames.filter((frame) => frame !== action.frame);
          return frames.length ? [{ ...reference, frames }] : [];
        }),
      });
    case "asStored":
      return change({
        references: draft.references.map((reference, index) =>
          index === action.index ? { ...reference, presentation: null, presentationState: null } : reference,
        ),
      });
    case "move":
      return change({ references: moved(draft.references, action.from, action.to) });
    case "title": {
      const unchanged = draft.title && action.title && sameCode(draft.title, action.title);
      return change({ title: action.title, modifiers: unchanged ? draft.modifiers : [] });
    }
    case "modifier": {
      const others = draft.modifiers.filter((modifier) => !sameCode(modifier, action.modifier));
      return change({ modifiers: action.on ? [...others, action.modifier] : others });
    }
    case "description":
      return change({ description: action.text });
    case "author":
      return { ...draft, author: { ...draft.author, name: action.name } };
    case "revise":
      return {
        ...contentOf(action.note, action.author),
        revises: { id: action.note.id, version: action.note.version },
      };
    case "copy":
      return { ...contentOf(action.note, action.author), touched: true };
    case "rebase":
      return draft.revises ? { ...draft, revises: { ...draft.revises, version: action.version } } : draft;
    case "clear":
      return emptyDraft(action.author);
  }
}

/** Does the draft show (rather than lie empty and unused)? A title alone is only what the next note would have. */
export const isOpen = (draft: Draft): boolean =>
  draft.revises !== null || draft.references.length > 0 || draft.description !== "";

/** Would closing the page lose work? */
export const isUnsaved = (draft: Draft): boolean => isOpen(draft) && draft.touched;

export interface Lack {
  field: "title" | "modifiers" | "references" | "author";
  message: string;
}

/** What is missing before the draft can be sent; the server has the last word. */
export function lacks(draft: Draft, titles: readonly Title[]): Lack[] {
  const found: Lack[] = [];
  if (!draft.title) found.push({ field: "title", message: "Choose a title." });
  const rule = findTitle(titles, draft.title)?.modifiers;
  if (rule?.mandatory && draft.modifiers.length === 0) {
    found.push({ field: "modifiers", message: "This title needs a modifier." });
  }
  if (draft.references.length === 0) {
    found.push({ field: "references", message: "Star at least one image (key K)." });
  }
  if (draft.author.name.trim() === "") found.push({ field: "author", message: "Write your name." });
  return found;
}

/** The request body the draft stands for. */
export function requestOf(draft: Draft & { title: Code }): NoteRequest {
  return {
    title: draft.title,
    modifiers: draft.modifiers,
    description: draft.description.trim(),
    language: draft.language,
    author: { ...draft.author, name: draft.author.name.trim() },
    references: draft.references.map((reference) => ({
      study_instance_uid: reference.study,
      ...(reference.series ? { series_instance_uid: reference.series } : {}),
      sop_instance_uid: reference.sop,
      ...(reference.frames.length ? { frames: reference.frames } : {}),
      ...(reference.segments.length ? { segments: reference.segments } : {}),
      ...(reference.presentationState ? { presentation_state_uid: reference.presentationState } : {}),
      ...(reference.presentation ? { presentation: reference.presentation } : {}),
    })),
  };
}

// The shapes of the REST API under /api/v1, as the server documents them in /api/v1/openapi.json.

export interface Code {
  scheme: string;
  value: string;
  meaning?: string | null;
}

export interface Page<Item> {
  items: Item[];
  next: string | null;
}

export interface StudySummary {
  study_instance_uid: string;
  patient_id: string | null;
  patient_name: string | null;
  patient_birth_date: string | null;
  patient_sex: string | null;
  study_date: string | null;
  study_time: string | null;
  description: string | null;
  accession_number: string | null;
  modalities: string[];
  series_count: number;
  /** All objects; key objects and other documents among them. */
  instance_count: number;
  image_series_count: number;
  image_count: number;
  note_count: number;
  thumbnail: { series_instance_uid: string; sop_instance_uid: string } | null;
}

export interface Instance {
  sop_instance_uid: string;
  sop_class_uid: string;
  number: number | null;
  /** 1 for a single-frame image. */
  frames: number;
  rows: number | null;
  columns: number | null;
  is_image: boolean;
}

export interface Series {
  series_instance_uid: string;
  modality: string | null;
  number: number | null;
  description: string | null;
  body_part: string | null;
  instances: Instance[];
}

export interface Study extends StudySummary {
  /** Copies that came with another patient and are held: until it is decided, nothing is delivered automatically. */
  patient_conflict?: { sentence: string; copies: number } | null;
  series: Series[];
}

export interface StudyFilter {
  text: string;
  modality: string;
  from: string;
  to: string;
  withNotes: boolean;
}

export type ReferenceStatus = "resolved" | "pending" | "remote" | "withdrawn" | "foreign";

export interface Reference {
  study_instance_uid: string | null;
  series_instance_uid: string | null;
  sop_class_uid: string | null;
  sop_instance_uid: string;
  /** Absent or empty: the whole image. */
  frames?: number[] | null;
  segments?: number[] | null;
  presentation_state_uid?: string | null;
  status: ReferenceStatus;
}

/** A part of an image: its first and last column and row, from 1. */
export interface Area {
  left: number;
  upper: number;
  right: number;
  lower: number;
}

/** How an image is shown. What is left out is as the image itself asks to be shown. */
export interface Presentation {
  window?: { center: number; width: number };
  inverted?: boolean;
  overlays?: boolean;
  area?: Area;
}

export interface Finding {
  code: string;
  severity: "info" | "warning" | "error";
  place: string | null;
  text: string;
}

export interface Author {
  kind: "person" | "device";
  name: string | null;
  login?: string | null;
  verified?: boolean;
}

export interface KeyObject {
  sop_instance_uid: string;
  study_instance_uid: string;
  registration: string | null;
}

export interface AwaitedKeyObject {
  sop_instance_uid: string;
  study_instance_uid: string;
  reason: string;
}

export interface Note {
  id: number | string;
  version: number;
  study_instance_uid: string;
  /** null: an untitled note, or the placeholder of an unreadable document. */
  title: Code | null;
  modifiers: Code[];
  description: string | null;
  language: string | null;
  author: Author | null;
  created: string | null;
  origin: "authored" | "received" | "migrated";
  standing: string;
  references: Reference[];
  key_objects: KeyObject[];
  /** Documents of a migrated note that cannot be made yet. */
  awaited: AwaitedKeyObject[];
  findings: Finding[];
}

/** A note as a search answers it. */
export interface FoundNote extends Note {
  /** null: nothing of its study is here. */
  study: Pick<StudySummary, "patient_id" | "patient_name" | "study_date" | "description"> | null;
}

/** Empty: any. `title` is `scheme|value`, `since` a day. */
export interface NoteFilter {
  title: string;
  author: string;
  patient: string;
  text: string;
  origin: string;
  since: string;
}

export interface RequestedReference {
  study_instance_uid?: string;
  series_instance_uid?: string;
  sop_instance_uid: string;
  frames?: number[];
  segments?: number[];
  presentation_state_uid?: string;
  /** How the image is shown: the server makes a presentation state of it. */
  presentation?: Presentation;
}

export interface NoteRequest {
  title: Code;
  modifiers: Code[];
  description: string;
  language: string;
  author: { kind: "person" | "device"; name: string; login: string };
  references: RequestedReference[];
}

export interface Title {
  scheme: string;
  value: string;
  meaning: string;
  group: string;
  hot_key: string | null;
  modifiers: { context_group: string; mandatory: boolean; items: Code[] } | null;
  can_be_made: boolean;
}

export interface HeldCopy {
  id: number | string;
  sop_instance_uid: string;
  series_instance_uid: string;
  study_instance_uid: string;
  patient_id: string | null;
  reason: string;
  received_at: string;
  size: number;
  digest: string;
}

export type HeldChoice = "keep first" | "take second" | "keep both";

/** What a decision is about: one held copy, or all of its series or its study. */
export type HeldScope = "object" | "series" | "study";

interface ComparedCopy {
  id: number;
  received_at: string;
  received_from: string;
  /** Where its picture is; null: it has none. */
  picture: string | null;
}

/** A held copy beside the first one (GET held/{id}/comparison). */
export interface HeldComparison {
  held: ComparedCopy;
  first: ComparedCopy & { standing: string; given_to: number };
  differences: { place: string; tag: string; keyword: string; first: string | null; held: string | null }[];
  has_more: boolean;
  /** "same", "differ", or why they were not compared. */
  pixels: string;
}

/** A decision that was made, or as its preview says it. */
export interface HeldDecision {
  decision: HeldChoice;
  id: number | null;
  /** Of a preview: how many copies it is about. */
  instances?: number;
  decided?: number;
  ways: Record<string, number>;
  receivers: number;
  studies: { study_instance_uid: string; patient_id: string; patient_name: string; instances: number }[];
  hindrance: string | null;
  /** Of a preview: what is sent back with the decision, so that it is about the same. */
  seen?: string;
}

/** One received object that was not fully understood (GET findings). */
export interface FoundObject {
  sop_instance_uid: string;
  study_instance_uid: string;
  registration: string | null;
  findings: Finding[];
}

/** What became of a key object that was read again (POST instances/{sop}/register). */
export interface RegisteredAgain extends FoundObject {
  registration: string;
  was: string;
  note: number | null;
  changed: boolean;
}

/** What was taken out of use, by whom and why. */
export interface Withdrawal {
  id: number;
  act: string;
  sentence: string;
  reason: Code;
  text: string;
  by: { kind: string; name: string; address: string } | null;
  /** Who confirmed it, where it took a second person. */
  confirmed_by: { kind: string; name: string; address: string } | null;
  made_at: string;
  /** When the time to undo it unseen ends. */
  closes_at: string;
  state: "open" | "closed" | "undone";
  /** `marked`: its instances stay live. */
  effect: "hidden" | "marked" | "proposed";
  /** Whether a rejection note of another system asked for it. */
  received: boolean;
  instances: number;
  undone_at: string | null;
  undone_by: { kind: string; name: string; address: string } | null;
  can_be_undone: boolean;
  /** Of one withdrawal, not in a list: what is said of instances that were purged. */
  purged_sentence?: string | null;
  why_not_undoable: string | null;
}

/** A withdrawal of whole series or studies that waits for a second person. */
export interface WithdrawalRequest {
  id: number;
  state: "waiting" | "confirmed" | "refused" | "expired";
  act: string;
  text: string;
  instances: number;
  asked_by: { kind: string; name: string; address: string } | null;
  asked_at: string;
  expires_at: string;
  /** Of one, not in a list: what it would withdraw now; null if that is nothing. */
  means?: {
    withdrawn: number;
    studies: { study_instance_uid: string; patient_id: string; patient_name: string; instances: number }[];
  } | null;
}

export interface WithdrawalFilter {
  text: string;
  act: string;
  who: string;
  /** Days, as `2026-11-24`: the first and the last. */
  from: string;
  to: string;
}

/** The answer to the withdrawal of a note. */
export interface WithdrawnNote extends Note {
  withdrawal: Pick<Withdrawal, "id" | "state" | "closes_at">;
}

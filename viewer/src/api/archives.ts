// Archives: what they have, and whether their word counts.
import { act, get, query } from "./client";
import type { Page } from "./contract";

export interface Archive {
  peer: { id: number; name: string };
  version: number;
  policy: { commitment: "dimse" | "dicomweb" | "none"; renew_days: number; recall: string; recall_seconds: number };
  /** Numbers of instances; `too_old` of those that the archive has committed to. */
  evidence: { acknowledged: number; committed: number; too_old: number; oldest: string | null };
  suspended: { since: string; reason: string } | null;
  proof: { result: "proved" | "refused" | null; at: string | null; report: { sentence?: string } | null };
  /** Why nothing may be evicted on its word. */
  hindrance: string | null;
}

export interface CommitmentRequest {
  id: number;
  state: string;
  made: string;
  answered: string | null;
  fault: string | null;
  instances: { asked: number; committed: number; failed: number; omitted: number };
}

export const archives = (_cursor: string | null, signal?: AbortSignal) => get<Page<Archive>>("/archives", signal);

export const commitmentRequests = (archive: number, cursor: string | null, signal?: AbortSignal) =>
  get<Page<CommitmentRequest>>(`/archives/${archive}/requests${query({ limit: "20", cursor })}`, signal);

export const archiveOf = (archive: number) => get<Archive>(`/archives/${archive}`);

export const resumeArchive = (archive: number) => act<Archive>("POST", `/archives/${archive}/resume`);

export const askForCommitment = (archive: number) => act<{ job: number }>("POST", `/archives/${archive}/commit`);

/** Fetch an object that is here too, and compare both. */
export const proveRecall = (archive: number) =>
  act<{ identical: boolean; sentence: string }>("POST", `/archives/${archive}/recall`, { body: {} });

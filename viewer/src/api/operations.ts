// What those who look after a server ask for and do: jobs, alerts, rejections, purges, and why something is missing.
import { act, get, query, ROOT } from "./client";
import type { Code, Page } from "./contract";
import { beginningOf, endOf } from "./days";
import { Problem } from "./problem";

export type JobState = "queued" | "leased" | "waiting" | "retry" | "suspended" | "done" | "dead" | "cancelled";

export interface Job {
  id: number;
  kind: string;
  destination: string;
  state: JobState;
  attempt: number;
  attempts_allowed: number;
  made_at: string;
  changed_at: string;
  /** Why it stands where it is, and what comes next. */
  sentence: string;
}

/** How many jobs of a kind are in a state. */
export interface JobNumber {
  kind: string;
  state: JobState;
  count: number;
  /** There are more than `count`. */
  is_more: boolean;
  oldest_made_at: string;
  sentence: string;
}

export interface JobEvent {
  happened_at: string;
  event: string;
  from_state: string;
  to_state: string;
  attempt: number;
  actor: string;
  reason: string;
}

export interface JobHistory extends Job {
  history: JobEvent[];
  failed_objects: { instance: number; may_be_tried_again: boolean; reason: string; failed_at: string }[];
}

export type QueueState = "running" | "accepting" | "draining" | "halted";

export interface Queue {
  kind: string;
  state: QueueState;
  does: string;
  actor: string;
  reason: string;
  changed_at: string | null;
}

/** Empty: any. */
export interface JobFilter {
  state: string;
  kind: string;
}

export type JobAct = "retry" | "cancel" | "suspend" | "resume";

/** Jobs by their ids, or all that a filter finds. */
export type WantedJobs = { ids: number[] } | { filter: JobFilter };

export const jobs = ({ state, kind }: JobFilter, cursor: string | null, signal?: AbortSignal) =>
  get<Page<Job> & { numbers: JobNumber[] }>(`/jobs${query({ state, kind, limit: "50", cursor })}`, signal);

export const job = (id: number) => get<JobHistory>(`/jobs/${id}`);

export const queues = (signal?: AbortSignal) => get<Page<Queue>>("/queues", signal);

export const setQueue = (kind: string, state: QueueState, reason: string, actor: string) =>
  act<Queue>("PUT", `/queues/${kind}`, { body: { state, reason }, actor });

function wanted(which: WantedJobs): object {
  if ("ids" in which) return which;
  const { state, kind } = which.filter;
  return { filter: { ...(state && { state }), ...(kind && { kind }) } };
}

/** Count the jobs that an act would be done to. */
export const countJobs = (what: JobAct, which: WantedJobs) =>
  act<{ count: number }>("POST", "/jobs/acts", { body: { act: what, ...wanted(which) } });

/** Do an act to as many jobs as are expected. Problem 409: they are more or fewer by now. */
export const actOnJobs = (what: JobAct, which: WantedJobs, expected: number, reason: string, actor: string) =>
  act<{ count: number }>("POST", "/jobs/acts", {
    body: { act: what, ...wanted(which), expected, reason },
    actor,
  });

export interface Alert {
  id: number;
  state: "new" | "acknowledged" | "snoozed" | "cleared";
  severity: "warning" | "error";
  code: string;
  subject: string;
  sentence: string;
  since: string;
  cleared_at: string | null;
  acknowledged_at: string | null;
  acknowledged_by: string | null;
  snoozed_until: string | null;
  snoozed_by: string | null;
  owner: string | null;
}

export interface AlertNumbers {
  new: number;
  acknowledged: number;
  snoozed: number;
}

export interface AlertFilter {
  state: string;
}

export const alerts = ({ state }: AlertFilter, cursor: string | null, signal?: AbortSignal) =>
  get<Page<Alert>>(`/alerts${query({ state, limit: "50", cursor })}`, signal);

export const alertNumbers = async (signal?: AbortSignal) =>
  (await get<Page<Alert> & { numbers: AlertNumbers }>("/alerts?limit=1", signal)).numbers;

export const acknowledgeAlert = (id: number, actor: string) =>
  act<Alert>("POST", `/alerts/${id}/acknowledge`, { actor });

/** Let an alert wait; 0 hours end that. */
export const snoozeAlert = (id: number, hours: number, actor: string) =>
  act<Alert>("POST", `/alerts/${id}/snooze`, { body: { hours }, actor });

export const ownAlert = (id: number, owner: string, actor: string) =>
  act<Alert>("POST", `/alerts/${id}/own`, { body: { owner }, actor });

export interface SentTest {
  channel: string;
  sent: boolean;
  sentence: string;
}

export const sendTestMessage = () => act<Page<SentTest>>("POST", "/alerts/test");

interface Who {
  kind: string;
  name: string;
  address: string;
}

/** What a rejection note of another system asks for. */
export interface Rejection {
  id: number;
  state: "waiting" | "refused" | "undone" | "in force";
  rejection_note_uid: string;
  study_instance_uid: string | null;
  title: Code;
  act: string;
  text: string;
  by: Who | null;
  made_at: string;
  decided_by: Who | null;
  decided_at: string | null;
  decided_because: string;
  instances: number;
  spared: number;
}

export interface RejectedInstance {
  sop_instance_uid: string;
  standing: string | null;
  spared: string;
}

export interface RejectionFilter {
  state: string;
}

export const rejections = ({ state }: RejectionFilter, cursor: string | null, signal?: AbortSignal) =>
  get<Page<Rejection>>(`/rejections${query({ state, limit: "50", cursor })}`, signal);

export const rejection = (id: number) => get<Rejection & Page<RejectedInstance>>(`/rejections/${id}?limit=20`);

export const decideRejection = (id: number, decision: "accept" | "refuse", reason: string, actor: string) =>
  act<Rejection>("POST", `/rejections/${id}`, { body: { decision, reason }, actor });

/** An instance that will be purged. */
export interface PlannedPurge {
  sop_instance_uid: string;
  study_instance_uid: string;
  bytes: number;
  act: string;
  withdrawn_at: string;
  due_at: string;
}

/** An instance that was purged, or could not be. */
export interface Purge {
  instance: number;
  sop_instance_uid: string;
  study_instance_uid: string;
  purged_at: string | null;
  removed_at: string | null;
  bytes: number | null;
  act: string;
  reason: string;
  text: string;
  withdrawn_at: string;
  withdrawn_by: string | null;
}

export interface FailedPurge extends Purge {
  what: "tombstone" | "bytes";
  attempts: number;
  state: "dead" | "retry";
  retry_at: string | null;
  failure: string;
}

export const purgePlan = (days: string, cursor: string | null, signal?: AbortSignal) =>
  get<Page<PlannedPurge> & { is_off: boolean }>(`/purges/plan${query({ days, limit: "50", cursor })}`, signal);

export const purges = (cursor: string | null, signal?: AbortSignal) =>
  get<Page<Purge>>(`/purges${query({ limit: "50", cursor })}`, signal);

export const failedPurges = (cursor: string | null, signal?: AbortSignal) =>
  get<Page<FailedPurge>>(`/purges/failures${query({ limit: "50", cursor })}`, signal);

export const retryPurges = (instances: number[]) =>
  act<{ count: number }>("POST", "/purges/retry", { body: { instances } });

export interface Backup {
  id: number;
  state: "running" | "good" | "failed";
  begun_at: string;
  ended_at: string | null;
  /** Null: the schedule. */
  asked_by: string | null;
  folder: string | null;
  /** Why it has failed, or a remark. */
  reason: string | null;
  /** What is being done now, and how much of that. */
  step: string | null;
  done: number;
  total: number;
  bytes: number;
}

/** `warning`: why a person must look at them, e.g. because the last good one is too old. */
export const backups = (cursor: string | null, signal?: AbortSignal) =>
  get<Page<Backup> & { last_good: Backup | null; warning: string | null }>(
    `/backups${query({ limit: "50", cursor })}`,
    signal,
  );

export const makeBackup = () => act<Backup>("POST", "/backups", { body: { images: null } });

/** Why something is missing, and what to do. */
export interface Cause {
  code: string;
  sentence: string;
  remedy: string;
  count: number;
  uids: string[];
}

export interface Question {
  what: "uid" | "accession" | "patient" | "sender";
  text: string;
  /** For a sender: moments, as `2026-11-30T08:00`. */
  since: string;
  until: string;
}

const moment = (local: string) => (local ? new Date(local).toISOString() : "");

/** Ask why something is missing. What looks like a UID may be that of an object or of a study. */
export async function whyMissing(question: Question, signal?: AbortSignal): Promise<Cause[]> {
  const { what, since, until } = question;
  const text = question.text.trim();
  const ask = async (asked: Record<string, string>) =>
    (await get<Page<Cause>>(`/explain${query(asked)}`, signal)).items;
  if (what !== "uid") return ask({ [what]: text, since: moment(since), until: moment(until) });
  const asObject = await ask({ instance: text });
  if (asObject.some(({ code }) => code !== "NEVER_OFFERED")) return asObject;
  const asStudy = await ask({ study: text });
  return asStudy.some(({ code }) => code !== "NEVER_OFFERED") ? asStudy : asObject;
}

/** What is known of each stored copy of an object; none where it has never been here. */
export async function copiesOf(uid: string, signal?: AbortSignal): Promise<{ sentences: string[] }[]> {
  try {
    return (await get<Page<{ sentences: string[] }>>(`/instances/${encodeURIComponent(uid)}/explain`, signal))
      .items;
  } catch (thrown) {
    if (thrown instanceof Problem && thrown.status === 404) return [];
    throw thrown;
  }
}

/** What was removed in a period, by act and person. */
export interface Removed {
  act: string;
  sentence: string;
  by: Who | null;
  withdrawals: number;
  instances: number;
}

export interface Period {
  from: string;
  to: string;
}

export const removed = ({ from, to }: Period, cursor: string | null, signal?: AbortSignal) =>
  get<Page<Removed>>(
    `/withdrawals/summary${query({ since: beginningOf(from), until: endOf(to), cursor })}`,
    signal,
  );

/** Where all that was removed in a period can be had as CSV. */
export const removedCsv = ({ from, to }: Period) =>
  `${ROOT}/withdrawals${query({ since: beginningOf(from), until: endOf(to), csv: "true" })}`;

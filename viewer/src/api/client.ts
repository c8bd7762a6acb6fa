// The one module that speaks to the REST API.
import { forget, keyOf } from "./act-keys";
import type {
  FoundNote,
  FoundObject,
  HeldChoice,
  HeldComparison,
  HeldCopy,
  HeldDecision,
  HeldScope,
  Note,
  NoteFilter,
  NoteRequest,
  Page,
  RegisteredAgain,
  Study,
  StudyFilter,
  StudySummary,
  Title,
  Withdrawal,
  WithdrawalFilter,
  WithdrawalRequest,
  WithdrawnNote,
} from "./contract";
import { beginningOf, endOf } from "./days";
import { Problem, problemFrom } from "./problem";
import { type Session, sessionExpired } from "./session";

export const ROOT = "/api/v1";
const SESSION = "/session";

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set("Accept", "application/json");
  const response = await fetch(ROOT + path, { ...init, headers });
  if (!response.ok && response.status !== 304) {
    // A wrong password is none of the session's end.
    if (response.status === 401 && path !== SESSION) sessionExpired();
    throw problemFrom(response.status, await response.text());
  }
  return response;
}

export async function get<Body>(path: string, signal?: AbortSignal): Promise<Body> {
  return (await ask(path, signal ? { signal } : {})).json() as Promise<Body>;
}

export const currentSession = () => get<Session>(SESSION);

/** Begin a session, which a cookie carries that no script can read. */
export async function signIn(login: string, password: string): Promise<Session> {
  const body = JSON.stringify({ login, password });
  const headers = { "Content-Type": "application/json" };
  return (await ask(SESSION, { method: "POST", headers, body })).json() as Promise<Session>;
}

/** End the session; return where to go on, so that a session at the provider ends too. */
export async function signOut(): Promise<string> {
  const response = await ask(SESSION, { method: "DELETE" });
  const ended = (await response.json()) as { continue_at?: string | null };
  return ended.continue_at ?? "/";
}

/** Ask for a change without a key under which it would be repeated: secrets are in its body, and are kept nowhere. */
export async function send<Answer>(method: string, path: string, body?: object): Promise<Answer> {
  const init: RequestInit = { method };
  if (body) {
    init.headers = { "Content-Type": "application/json" };
    init.body = JSON.stringify(body);
  }
  return (await ask(path, init)).json() as Promise<Answer>;
}

export function query(parameters: Record<string, string | null>): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value) pairs.set(name, value);
  const written = pairs.toString();
  return written ? `?${written}` : "";
}

export function studies(filter: StudyFilter, cursor: string | null, signal?: AbortSignal) {
  return get<Page<StudySummary>>(
    `/studies${query({
      text: filter.text.trim(),
      modality: filter.modality,
      from: filter.from,
      to: filter.to,
      with_notes: filter.withNotes ? "true" : null,
      cursor,
    })}`,
    signal,
  );
}

export const study = (uid: string, signal?: AbortSignal) => get<Study>(`/studies/${uid}`, signal);

export interface Notes {
  items: Note[];
  etag: string | null;
}

/** All notes of a study, documents that mark nothing included; null when unchanged since `etag`. */
export async function notesOfStudy(uid: string, etag: string | null): Promise<Notes | null> {
  const path = `/studies/${uid}/notes?all=true`;
  const response = await ask(path, etag ? { headers: { "If-None-Match": etag } } : { cache: "no-cache" });
  if (response.status === 304) return null;
  const page = (await response.json()) as Page<Note>;
  const items = [...page.items];
  let next = page.next;
  while (next) {
    const further = await get<Page<Note>>(`${path}&cursor=${encodeURIComponent(next)}`);
    items.push(...further.items);
    next = further.next;
  }
  return { items, etag: response.headers.get("ETag") };
}

const NOTES_A_PAGE = "25";

export function searchNotes(filter: NoteFilter, cursor: string | null, signal?: AbortSignal) {
  const { title, author, patient, text, origin, since } = filter;
  return get<Page<FoundNote>>(
    `/notes${query({
      title,
      author: author.trim(),
      patient: patient.trim(),
      text: text.trim(),
      origin,
      since: beginningOf(since),
      limit: NOTES_A_PAGE,
      cursor,
    })}`,
    signal,
  );
}

export const note = (id: Note["id"]) => get<Note>(`/notes/${id}`);

export const titles = () => get<Page<Title>>("/titles");

interface ActParts {
  body?: object;
  /** The version that the act is made from. */
  version?: number;
  /** Who acts, until users sign in. */
  actor?: string;
}

/** Have something done, once: under a key that it keeps until the server has answered. */
export async function act<Answer>(method: string, path: string, { body, version, actor }: ActParts = {}): Promise<Answer> {
  const headers = new Headers();
  const init: RequestInit = { method, headers };
  if (version !== undefined) headers.set("If-Match", `"${version}"`);
  // Header fields are ASCII.
  if (actor) headers.set("Kinote-Actor", encodeURIComponent(actor));
  if (body) {
    headers.set("Content-Type", "application/json");
    init.body = JSON.stringify(body);
  }
  const asked = [method, path, version ?? "", init.body ?? "", ...(actor ? [actor] : [])].join(" ");
  headers.set("Idempotency-Key", keyOf(asked));
  try {
    const answer = (await (await ask(path, init)).json()) as Answer;
    forget(asked);
    return answer;
  } catch (thrown) {
    // A refusal is an answer; a gateway that gave up is none.
    if (thrown instanceof Problem && thrown.status < 500) forget(asked);
    throw thrown;
  }
}

export const makeNote = (studyUid: string, body: NoteRequest) =>
  act<Note>("POST", `/studies/${studyUid}/notes`, { body });

/** Revise a note. Problem 412: somebody else revised it after `version`. */
export const reviseNote = (id: Note["id"], version: number, body: NoteRequest) =>
  act<Note>("PUT", `/notes/${id}`, { body, version });

export const withdrawNote = (id: Note["id"], version: number, reason: string, actor: string) =>
  act<WithdrawnNote>("DELETE", `/notes/${id}${query({ reason })}`, { version, actor });

export const held = (cursor: string | null) => get<Page<HeldCopy>>(`/held${query({ cursor })}`);
export const compareHeld = (id: HeldCopy["id"]) => get<HeldComparison>(`/held/${id}/comparison`);

const meant = (copy: HeldCopy, scope: HeldScope) =>
  scope === "object"
    ? { held: [copy.id] }
    : scope === "series"
      ? { series: [copy.series_instance_uid] }
      : { studies: [copy.study_instance_uid] };

/** What a choice would do, counted. */
export const previewHeld = (copy: HeldCopy, scope: HeldScope, decision: HeldChoice) =>
  act<HeldDecision>("POST", "/held?preview=true", { body: { decision, ...meant(copy, scope) } });

/** Decide about held copies. Problem 409: a preview would say something else than it did (`seen`), or it cannot be decided so. */
export const decideHeld = (
  copy: HeldCopy,
  scope: HeldScope,
  decision: HeldChoice,
  text: string,
  seen: HeldDecision,
  actor: string,
) =>
  act<HeldDecision>("POST", "/held", {
    body: { decision, text, expected: seen.instances ?? 0, seen: seen.seen, ...meant(copy, scope) },
    actor,
  });

export const heldFile = (id: HeldCopy["id"]) => `${ROOT}/held/${id}/file`;

export const findings = (cursor: string | null) => get<Page<FoundObject>>(`/findings${query({ cursor })}`);

/** Have a key object read again from its stored bytes. Problem 409: it cannot be. */
export const registerAgain = (sop: string) => act<RegisteredAgain>("POST", `/instances/${sop}/register`);

const asked = ({ text, act, who, from, to }: WithdrawalFilter) => ({
  text: text.trim(),
  act,
  who: who.trim(),
  since: beginningOf(from),
  until: endOf(to),
});

export const withdrawals = (filter: WithdrawalFilter, cursor: string | null, signal?: AbortSignal) =>
  get<Page<Withdrawal>>(`/withdrawals${query({ ...asked(filter), cursor })}`, signal);

/** Where all that a filter finds can be had as CSV. */
export const withdrawalsCsv = (filter: WithdrawalFilter) =>
  `${ROOT}/withdrawals${query({ ...asked(filter), csv: "true" })}`;

/** Withdrawals that wait for a second person. */
export const withdrawalRequests = (cursor: string | null, signal?: AbortSignal) =>
  get<Page<WithdrawalRequest>>(`/withdrawal-requests${query({ cursor })}`, signal);

export const withdrawalRequest = (id: WithdrawalRequest["id"]) =>
  get<WithdrawalRequest>(`/withdrawal-requests/${id}`);

/** Problem 403: another person has to confirm it; 409: it does not wait any more. */
export const decideWithdrawalRequest = (id: WithdrawalRequest["id"], decision: "confirm" | "refuse") =>
  act<WithdrawalRequest>("POST", `/withdrawal-requests/${id}`, { body: { decision } });

/** Take what was withdrawn back into use. Problem 409: it cannot be, and why. */
export const undoWithdrawal = (id: Withdrawal["id"], actor: string) =>
  act<Withdrawal>("DELETE", `/withdrawals/${id}`, { actor });

// Users, API tokens, and the audit trail.
import { get, query, send } from "./client";
import type { Page } from "./contract";
import { beginningOf, endOf } from "./days";

export interface User {
  id: number;
  login: string;
  /** As a PN. */
  name: string;
  roles: string[];
  enabled: boolean;
  has_password: boolean;
  added_at: string;
  changed_at: string;
}

export const users = (_cursor: string | null, signal?: AbortSignal) => get<Page<User>>("/users", signal);

export interface NewUser {
  login: string;
  name: string;
  roles: string[];
  /** Null: the user has API tokens only. */
  password: string | null;
}

export const addUser = (user: NewUser) => send<User>("POST", "/users", user);

export const changeUser = (user: User) =>
  send<User>("PUT", `/users/${user.id}`, { name: user.name, roles: user.roles, enabled: user.enabled });

export const setPassword = (user: User, password: string) =>
  send<User>("PUT", `/users/${user.id}/password`, { password });

export interface Token {
  id: number;
  user: string;
  name: string;
  scopes: string[];
  added_at: string;
  expires_at: string;
  revoked_at: string | null;
}

export const tokens = (cursor: string | null, signal?: AbortSignal) =>
  get<Page<Token>>(`/tokens${query({ limit: "50", cursor })}`, signal);

export interface NewToken {
  user: string;
  name: string;
  scopes: string[];
  days: number;
}

/** Make a token. Only this answer has it. */
export const addToken = (token: NewToken) => send<Token & { token: string }>("POST", "/tokens", token);

export const revokeToken = (token: Token) => send<Token>("DELETE", `/tokens/${token.id}`);

export interface TrailEntry {
  id: number;
  at: string;
  event: string;
  outcome: string;
  by: { kind: string; name: string; address: string };
  patient_id: string | null;
  study_instance_uid: string | null;
  subject: string | null;
  detail: Record<string, string | number>;
}

/** Empty: any. */
export interface TrailFilter {
  patient: string;
  actor: string;
  event: string;
  from: string;
  to: string;
}

export const trail = ({ patient, actor, event, from, to }: TrailFilter, cursor: string | null, signal?: AbortSignal) =>
  get<Page<TrailEntry>>(
    `/audit${query({
      patient: patient.trim(),
      actor: actor.trim(),
      event,
      since: beginningOf(from),
      until: endOf(to),
      limit: "50",
      cursor,
    })}`,
    signal,
  );

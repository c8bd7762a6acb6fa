// Retention: the cache, the rules that keep it within bounds, plans, holds, and the ledger of evictions.
import { act, get, query } from "./client";
import type { Page } from "./contract";

export interface Cache {
  /** Of live images in the cache. */
  bytes: number;
  volume: { free: number; total: number };
  /** Whether everything has been counted once. */
  counted: boolean;
  full_in: string;
  to_free: number;
  arrivals: { hour: string; bytes: number; objects: number }[];
  regret: { rule: string | null; evicted: number; recalled: number }[];
  archives: { name: string; counts: boolean; hindrance: string | null }[];
}

export interface Amount {
  bytes: number;
  objects: number;
  studies: number;
}

/** What a rule does now; of what no rule matches, `rule` is null. */
export interface RuleEffect {
  rule: string | null;
  sentence: string;
  matches: Amount;
  may_go: Amount;
  protects: Amount;
}

export interface RetentionRules {
  version: number;
  bounds: { unit: "bytes" | "percent" | "hours"; upper: number; lower: number } | null;
  mode: "off" | "training" | "on";
  saved_at: string | null;
  saved_by: string | null;
  effects: RuleEffect[];
}

export interface RetentionPlan {
  plan: number;
  made_at: string;
  made_by: string | null;
  wanted: number;
  frees: number;
  objects: number;
  is_enough: boolean;
  /** Why nothing can go; of a plan that was just made. */
  hindrance?: string | null;
}

export interface PlanItem {
  sop_instance_uid: string;
  bytes: number;
  rule: string | null;
}

export interface Eviction {
  id: number;
  plan: number;
  sop_instance_uid: string;
  bytes: number;
  rule: string | null;
  at: string;
  by: string | null;
  outcome: "evicted" | "kept";
  reason: string | null;
  recalled_at: string | null;
}

export type HoldKind = "legal" | "research" | "teaching";

export interface Hold {
  id: number;
  kind: HoldKind;
  on: string;
  study: string | null;
  reason: string;
  placed_at: string;
  placed_by: string | null;
  until: string | null;
  in_force: boolean;
}

export const cacheNow = (signal?: AbortSignal) => get<Cache>("/retention", signal);
export const retentionRules = (signal?: AbortSignal) => get<RetentionRules>("/retention/rules", signal);
export const retentionPlans = (cursor: string | null, signal?: AbortSignal) =>
  get<Page<RetentionPlan>>(`/retention/plans${query({ cursor })}`, signal);
export const makePlan = () => act<RetentionPlan>("POST", "/retention/plans", { body: {} });
export const planItems = (plan: number) => get<Page<PlanItem>>(`/retention/plans/${plan}`);
export const evictions = (cursor: string | null, signal?: AbortSignal) =>
  get<Page<Eviction>>(`/retention/evictions${query({ cursor })}`, signal);
export const holds = (cursor: string | null, signal?: AbortSignal) =>
  get<Page<Hold>>(`/retention/holds${query({ cursor })}`, signal);

export const holdStudy = (study: string, kind: HoldKind, reason: string, actor: string) =>
  act<Hold>("POST", "/retention/holds", { body: { study, kind, reason }, actor });

export const endHold = (id: number, reason: string, actor: string) =>
  act<Hold>("DELETE", `/retention/holds/${id}${query({ reason })}`, { actor });

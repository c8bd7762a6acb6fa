// Routes, and the destinations that objects are delivered to.
import { act, get, query } from "./client";
import type { Page } from "./contract";

export interface RouteConditions {
  titles: { value: string; scheme: string }[];
  note_origins: string[];
  modalities: string[];
  sop_classes: string[];
  sources: string[];
  patients: string[];
  studies: string[];
  oldest_days: number | null;
  youngest_days: number | null;
  has_notes: boolean | null;
}

/** A rule by which objects are delivered. */
export interface DeliveryRoute {
  id: number;
  version: number;
  name: string;
  origin: "people" | "settings";
  description: string;
  enabled: boolean;
  training: boolean;
  destination: { id: number; name: string };
  triggers: string[];
  conditions: RouteConditions;
  content: string;
  priority: number;
  quiet_seconds: number;
  /** Why it could not act the last time; null if it could. */
  failure: string | null;
  failed_at: string | null;
  /** How many results there are of each outcome. */
  results: Record<string, number>;
}

export interface RouteResult {
  id: number;
  at: string;
  trigger: string;
  study_instance_uid: string;
  note: number | null;
  outcome: "ordered" | "would order" | "left out" | "failed";
  objects: number;
  delivery: number | null;
  said: string;
}

export interface WouldOrder {
  trigger: string;
  study_instance_uid: string;
  note: number | null;
  /** How many objects would go, and how many are there already. */
  objects: number;
  there: number;
  named: string[];
}

export interface Destination {
  id: number;
  version: number;
  name: string;
  origin: "people" | "settings";
  description: string;
  enabled: boolean;
  endpoint: number;
  kind: string;
  address: string;
  peer: { id: number; name: string };
  policy: {
    content: string;
    downtime_from?: string;
    downtime_until?: string;
    downtime_why?: string;
    [part: string]: unknown;
  };
  /** Why nothing can be sent there now. */
  hindrance: string | null;
}

export interface Probed {
  answers: boolean;
  sentence: string;
}

export const deliveryRoutes = (cursor: string | null, signal?: AbortSignal) =>
  get<Page<DeliveryRoute>>(`/routes${query({ limit: "50", cursor })}`, signal);

export const routeResults = (route: number, cursor: string | null, signal?: AbortSignal) =>
  get<Page<RouteResult>>(`/routes/${route}/results${query({ limit: "20", cursor })}`, signal);

export const routeDryRun = (route: number, days: string, cursor: string | null, signal?: AbortSignal) =>
  get<Page<WouldOrder>>(`/routes/${route}/dry-run${query({ days, cursor })}`, signal);

/** Change parts of a route, as it was seen. */
export function changeRoute(route: DeliveryRoute, part: Partial<Pick<DeliveryRoute, "enabled" | "training">>) {
  const { name, description, enabled, training, triggers, conditions, content, priority, quiet_seconds } = route;
  const body = {
    ...{ name, description, enabled, training, triggers, conditions, content, priority, quiet_seconds },
    ...part,
    destination: route.destination.id,
  };
  return act<DeliveryRoute>("PUT", `/routes/${route.id}`, { body, version: route.version });
}

export const destinations = (cursor: string | null, signal?: AbortSignal) =>
  get<Page<Destination>>(`/destinations${query({ limit: "50", cursor })}`, signal);

export const testDestination = ({ peer, endpoint }: Destination) =>
  act<Probed>("POST", `/peers/${peer.id}/echo?endpoint=${endpoint}`);

/** Change parts of a destination's policy, as it was seen. */
export function changePolicy(destination: Destination, part: Partial<Destination["policy"]>) {
  const { name, description, enabled, endpoint, policy } = destination;
  const body = { name, description, enabled, endpoint, policy: { ...policy, ...part } };
  return act<Destination>("PUT", `/destinations/${destination.id}`, { body, version: destination.version });
}

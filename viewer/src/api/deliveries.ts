// Deliveries: what is sent to other systems, how it stands, and what people do about it.
import { act, get, query } from "./client";
import type { Page } from "./contract";

export type DeliveryState = "waiting" | "listing" | "sending" | "checking" | "done" | "failed" | "cancelled";

/** How many objects of a delivery stand how. */
export interface DeliveryAccount {
  manifest: number;
  acknowledged: number;
  committed: number | null;
  found: number | null;
  skipped: number;
  failed: number;
  verdict: "agrees" | "differs" | "unverified" | null;
}

export interface Delivery {
  id: number;
  state: DeliveryState;
  destination: { id: number; name: string };
  content: string;
  ordered_by: string | null;
  ordered_at: string;
  account: DeliveryAccount;
  /** Why it ended as it did. */
  said: string;
  /** Why its destination gets nothing now. */
  held: string | null;
  /** How it stands, and what comes next. */
  sentence: string;
}

/** How many deliveries are in a state. */
export interface DeliveryNumber {
  state: DeliveryState;
  count: number;
  /** There are more than `count`. */
  is_more: boolean;
  oldest_ordered_at: string;
}

export interface DeliveryObject {
  sop_instance_uid: string;
  state: string;
  answer: string;
}

/** Empty: any. */
export interface DeliveryFilter {
  state: string;
  destination: string;
}

export type DeliveryAct = "cancel" | "retry" | "acknowledge";

export const deliveries = (
  { state, destination }: DeliveryFilter,
  cursor: string | null,
  signal?: AbortSignal,
) =>
  get<Page<Delivery> & { numbers: DeliveryNumber[] }>(
    `/deliveries${query({ state, destination, limit: "50", cursor })}`,
    signal,
  );

/** The first objects of a delivery in a state. */
export const deliveryObjects = (id: number, state: string) =>
  get<Page<DeliveryObject>>(`/deliveries/${id}/objects${query({ state, limit: "20" })}`);

export const actOnDelivery = (what: DeliveryAct, id: number) =>
  act<Delivery>("POST", `/deliveries/${id}/${what}`, {});

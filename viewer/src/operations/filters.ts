// What the lists of operations are searched by, and how that is written in the page's address.
import type { DeliveryFilter } from "../api/deliveries";
import type { AlertFilter, JobFilter, RejectionFilter } from "../api/operations";
import type { FilterAddress } from "../lists/use-filtered-list";

/** A filter of texts, each of which stands in the address under its name where it is not as usual. */
function addressOf<Filter extends { [Name in keyof Filter]: string }>(
  path: string,
  none: Filter,
): FilterAddress<Filter> {
  const names = Object.keys(none) as (keyof Filter & string)[];
  return {
    none,
    read: (query) => {
      const filter = { ...none };
      for (const name of names) filter[name] = (query.get(name) ?? none[name]) as Filter[typeof name];
      return filter;
    },
    write: (filter) => {
      const query = new URLSearchParams();
      for (const name of names) if (filter[name] !== none[name]) query.set(name, filter[name]);
      const written = query.toString();
      return written ? `${path}?${written}` : path;
    },
  };
}

export const JOB_FILTER = addressOf<JobFilter>("/jobs", { state: "", kind: "" });
export const DELIVERY_FILTER = addressOf<DeliveryFilter>("/deliveries", { state: "", destination: "" });
export const ALERT_FILTER = addressOf<AlertFilter>("/alerts", { state: "open" });
export const REJECTION_FILTER = addressOf<RejectionFilter>("/rejections", { state: "waiting" });
export const PURGE_VIEW = addressOf<{ view: string; days: string }>("/purges", { view: "planned", days: "30" });
export const ROUTING_VIEW = addressOf<{ view: string }>("/routes", { view: "routes" });
export const RETENTION_VIEW = addressOf<{ view: string }>("/retention", { view: "cache" });

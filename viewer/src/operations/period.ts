// The period that is looked at, and usual ones.
import type { Period } from "../api/operations";
import type { FilterAddress } from "../lists/use-filtered-list";

const two = (value: number) => String(value).padStart(2, "0");

function dayOf(date: Date): string {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** So many days, the last of which is today. */
export function lastDays(count: number, now: Date = new Date()): Period {
  const from = new Date(now);
  from.setDate(from.getDate() - count + 1);
  return { from: dayOf(from), to: dayOf(now) };
}

export const USUAL: [string, number][] = [
  ["Today", 1],
  ["7 days", 7],
  ["30 days", 30],
  ["A year", 365],
];

export const PERIOD: FilterAddress<Period> = {
  none: { from: "", to: "" },
  read: (query) => {
    const from = query.get("from");
    const to = query.get("to");
    return from === null && to === null ? lastDays(30) : { from: from ?? "", to: to ?? "" };
  },
  write: ({ from, to }) => `/removed?${new URLSearchParams({ from, to }).toString()}`,
};

// What withdrawals are searched by, and how that is written in the page's address.
import type { WithdrawalFilter } from "../api/contract";
import type { FilterAddress } from "../lists/use-filtered-list";

const NONE: WithdrawalFilter = { text: "", act: "", who: "", from: "", to: "" };

const NAMES = Object.keys(NONE) as (keyof WithdrawalFilter)[];

function read(query: URLSearchParams): WithdrawalFilter {
  const filter = { ...NONE };
  for (const name of NAMES) filter[name] = query.get(name) ?? "";
  return filter;
}

function write(filter: WithdrawalFilter): string {
  const query = new URLSearchParams();
  for (const name of NAMES) if (filter[name]) query.set(name, filter[name]);
  const written = query.toString();
  return written ? `/withdrawals?${written}` : "/withdrawals";
}

export const WITHDRAWAL_FILTER: FilterAddress<WithdrawalFilter> = { none: NONE, read, write };

// The pages that the navigation leads to: the two that everybody uses and alerts by themselves, all others in groups.
import type { PageName } from "../router";

export interface PageLink {
  page: PageName;
  href: string;
  text: string;
  right: string;
}

export interface PageGroup {
  name: string;
  text: string;
  pages: readonly PageLink[];
}

export const EVERYDAY: readonly PageLink[] = [
  { page: "studies", href: "/", text: "Studies", right: "read" },
  { page: "notes", href: "/notes", text: "Notes", right: "read" },
];

export const GROUPS: readonly PageGroup[] = [
  {
    name: "objects",
    text: "Objects",
    pages: [
      { page: "findings", href: "/findings", text: "Findings", right: "examine" },
      { page: "held", href: "/held", text: "Held copies", right: "examine" },
      { page: "withdrawals", href: "/withdrawals", text: "Withdrawals", right: "examine" },
      { page: "rejections", href: "/rejections", text: "Rejections", right: "examine" },
      { page: "removed", href: "/removed", text: "Removed", right: "examine" },
      { page: "purges", href: "/purges", text: "Purges", right: "examine" },
      { page: "explain", href: "/explain", text: "Explain", right: "examine" },
    ],
  },
  {
    name: "sending",
    text: "Sending",
    pages: [
      { page: "deliveries", href: "/deliveries", text: "Deliveries", right: "deliver" },
      { page: "routes", href: "/routes", text: "Routes", right: "observe" },
    ],
  },
  {
    name: "operation",
    text: "Operation",
    pages: [
      { page: "jobs", href: "/jobs", text: "Jobs", right: "observe" },
      { page: "retention", href: "/retention", text: "Retention", right: "observe" },
      { page: "backups", href: "/backups", text: "Backups", right: "observe" },
    ],
  },
  {
    name: "access",
    text: "Access",
    pages: [
      { page: "users", href: "/users", text: "Users", right: "administer" },
      { page: "audit", href: "/audit", text: "Audit trail", right: "audit" },
    ],
  },
];

export const ALERTS: PageLink = { page: "alerts", href: "/alerts", text: "Alerts", right: "observe" };

/** The groups with the pages that a user may see, and no group without one. */
export function groupsFor(may: (right: string) => boolean): PageGroup[] {
  return GROUPS.map((group) => ({ ...group, pages: group.pages.filter(({ right }) => may(right)) })).filter(
    ({ pages }) => pages.length > 0,
  );
}

/** The group that a page belongs to. Tokens are shown from the page of users. */
export function groupOf(groups: readonly PageGroup[], page: PageName): PageGroup | undefined {
  const shown = page === "tokens" ? "users" : page;
  return groups.find(({ pages }) => pages.some((link) => link.page === shown));
}

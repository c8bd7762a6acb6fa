import type { ReactNode } from "react";
import { may } from "../api/session";
import { AlertsBadge } from "../operations/alerts-badge";
import { Link, type PageName } from "../router";
import { ALERTS, EVERYDAY, groupOf, groupsFor, type PageGroup, type PageLink } from "./pages";

/** The links of the top bar: pages for everyday use, groups of pages, and alerts. */
export function Navigation({ page }: { page: PageName }) {
  const groups = groupsFor(may);
  const current = groupOf(groups, page);
  return (
    <nav aria-label="Pages">
      {EVERYDAY.filter(({ right }) => may(right)).map((link) => (
        <NavigationLink key={link.page} link={link} page={page} />
      ))}
      {groups.map((group) => (
        <GroupLink key={group.name} group={group} isCurrent={group === current} page={page} />
      ))}
      {may(ALERTS.right) && (
        <NavigationLink link={ALERTS} page={page}>
          <AlertsBadge />
        </NavigationLink>
      )}
    </nav>
  );
}

/** The pages of the group that is open, in a bar of their own; nothing where there is but one. */
export function GroupNavigation({ page }: { page: PageName }) {
  const group = groupOf(groupsFor(may), page);
  if (!group || group.pages.length < 2) return null;
  return (
    <nav aria-label={group.text} className="group-bar">
      {group.pages.map((link) => (
        <NavigationLink key={link.page} link={link} page={page} />
      ))}
    </nav>
  );
}

/** A group leads to its first page. A group of one page is that page. */
function GroupLink({ group, isCurrent, page }: { group: PageGroup; isCurrent: boolean; page: PageName }) {
  const [first, ...more] = group.pages;
  if (!first) return null;
  if (more.length === 0) return <NavigationLink link={first} page={page} />;
  return (
    <Link
      href={first.href}
      className="nav-link"
      aria-current={isCurrent ? "true" : undefined}
      data-testid={`nav-${group.name}`}
    >
      {group.text}
    </Link>
  );
}

interface NavigationLinkProps {
  link: PageLink;
  page: PageName;
  children?: ReactNode;
}

function NavigationLink({ link, page, children }: NavigationLinkProps) {
  return (
    <Link
      href={link.href}
      className="nav-link"
      aria-current={link.page === page ? "page" : undefined}
      data-testid={`nav-${link.page}`}
    >
      {link.text}
      {children}
    </Link>
  );
}

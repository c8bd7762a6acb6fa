import { useEffect, useRef } from "react";
import { AnnouncerProvider } from "./parts/announcer";
import { Star } from "./parts/icons";
import { useKeptFocus } from "./parts/use-kept-focus";
import { NotesPage } from "./notes/notes-page";
import { FindingsPage } from "./records/findings-page";
import { HeldPage } from "./records/held-page";
import { AlertsBadge } from "./operations/alerts-badge";
import { AlertsPage } from "./operations/alerts-page";
import { ExplainPage } from "./operations/explain-page";
import { JobsPage } from "./operations/jobs-page";
import { PurgesPage } from "./operations/purges-page";
import { RejectionsPage } from "./operations/rejections-page";
import { RemovedPage } from "./operations/removed-page";
import { WithdrawalsPage } from "./records/withdrawals-page";
import { Link, routeOf, useAddress } from "./router";
import { StudiesPage } from "./studies/studies-page";
import { StudyPage } from "./study/study-page";

const LINKS = [
  { page: "studies", href: "/", text: "Studies" },
  { page: "notes", href: "/notes", text: "Notes" },
  { page: "findings", href: "/findings", text: "Findings" },
  { page: "held", href: "/held", text: "Held copies" },
  { page: "withdrawals", href: "/withdrawals", text: "Withdrawals" },
  { page: "removed", href: "/removed", text: "Removed" },
  { page: "rejections", href: "/rejections", text: "Rejections" },
  { page: "purges", href: "/purges", text: "Purges" },
  { page: "jobs", href: "/jobs", text: "Jobs" },
  { page: "alerts", href: "/alerts", text: "Alerts" },
  { page: "explain", href: "/explain", text: "Explain" },
] as const;

export function App() {
  const address = useAddress();
  const route = routeOf(address.pathname);
  const main = useRef<HTMLElement>(null);
  useKeptFocus(main);
  const page = route.page === "study" ? route.study : route.page;
  const shown = useRef(page);
  useEffect(() => {
    if (page === shown.current) return;
    shown.current = page;
    // Another page is read from its beginning, by eye and by keyboard.
    main.current?.scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [page]);
  return (
    <AnnouncerProvider>
      <a className="skip-link" href="#main">
        Skip to content
      </a>
      <header className="top-bar">
        <Link href="/" className="brand" data-testid="home">
          <Star filled />
          <span>Kinote</span>
        </Link>
        <nav aria-label="Pages">
          {LINKS.map(({ page, href, text }) => (
            <Link
              key={page}
              href={href}
              className="nav-link"
              aria-current={route.page === page ? "page" : undefined}
              data-testid={`nav-${page}`}
            >
              {text}
              {page === "alerts" && <AlertsBadge />}
            </Link>
          ))}
        </nav>
      </header>
      <main id="main" ref={main} tabIndex={-1} data-keeps-focus>
        {route.page === "studies" && <StudiesPage query={address.searchParams} />}
        {route.page === "study" && <StudyPage key={route.study} uid={route.study} />}
        {route.page === "notes" && <NotesPage query={address.searchParams} />}
        {route.page === "held" && <HeldPage />}
        {route.page === "jobs" && <JobsPage query={address.searchParams} />}
        {route.page === "alerts" && <AlertsPage query={address.searchParams} />}
        {route.page === "rejections" && <RejectionsPage query={address.searchParams} />}
        {route.page === "purges" && <PurgesPage query={address.searchParams} />}
        {route.page === "removed" && <RemovedPage query={address.searchParams} />}
        {route.page === "explain" && <ExplainPage query={address.searchParams} />}
        {route.page === "findings" && <FindingsPage />}
        {route.page === "withdrawals" && <WithdrawalsPage query={address.searchParams} />}
        {route.page === "unknown" && <Unknown path={address.pathname} />}
      </main>
    </AnnouncerProvider>
  );
}

function Unknown({ path }: { path: string }) {
  useEffect(() => {
    document.title = "Not found · Kinote";
  }, []);
  return (
    <section className="page">
      <h1>There is nothing at {path}</h1>
      <p>
        <Link href="/">Go to the list of studies</Link>
      </p>
    </section>
  );
}

import { useEffect, useRef, useState } from "react";
import { AuditPage } from "./access/audit-page";
import { TokensPage } from "./access/tokens-page";
import { UsersPage } from "./access/users-page";
import { currentSession } from "./api/client";
import { may, setSession, useSession } from "./api/session";
import { AnnouncerProvider } from "./parts/announcer";
import { Star } from "./parts/icons";
import { useKeptFocus } from "./parts/use-kept-focus";
import { NotesPage } from "./notes/notes-page";
import { FindingsPage } from "./records/findings-page";
import { HeldPage } from "./records/held-page";
import { AlertsBadge } from "./operations/alerts-badge";
import { AlertsPage } from "./operations/alerts-page";
import { BackupsPage } from "./operations/backups-page";
import { ExplainPage } from "./operations/explain-page";
import { DeliveriesPage } from "./operations/deliveries-page";
import { JobsPage } from "./operations/jobs-page";
import { PurgesPage } from "./operations/purges-page";
import { RejectionsPage } from "./operations/rejections-page";
import { RemovedPage } from "./operations/removed-page";
import { RoutesPage } from "./operations/routes-page";
import { WithdrawalsPage } from "./records/withdrawals-page";
import { Link, type Route, routeOf, useAddress } from "./router";
import { RetentionPage } from "./retention/retention-page";
import { ExpiredDialog } from "./session/expired-dialog";
import { SignInPage } from "./session/sign-in-page";
import { UserBar } from "./session/user-bar";
import { StudiesPage } from "./studies/studies-page";
import { StudyPage } from "./study/study-page";

const LINKS = [
  { page: "studies", href: "/", text: "Studies", right: "read" },
  { page: "notes", href: "/notes", text: "Notes", right: "read" },
  { page: "findings", href: "/findings", text: "Findings", right: "examine" },
  { page: "held", href: "/held", text: "Held copies", right: "examine" },
  { page: "withdrawals", href: "/withdrawals", text: "Withdrawals", right: "examine" },
  { page: "removed", href: "/removed", text: "Removed", right: "examine" },
  { page: "rejections", href: "/rejections", text: "Rejections", right: "examine" },
  { page: "purges", href: "/purges", text: "Purges", right: "examine" },
  { page: "backups", href: "/backups", text: "Backups", right: "observe" },
  { page: "deliveries", href: "/deliveries", text: "Deliveries", right: "deliver" },
  { page: "routes", href: "/routes", text: "Routes", right: "observe" },
  { page: "retention", href: "/retention", text: "Retention", right: "observe" },
  { page: "jobs", href: "/jobs", text: "Jobs", right: "observe" },
  { page: "alerts", href: "/alerts", text: "Alerts", right: "observe" },
  { page: "explain", href: "/explain", text: "Explain", right: "examine" },
  { page: "users", href: "/users", text: "Users", right: "administer" },
  { page: "audit", href: "/audit", text: "Audit trail", right: "audit" },
] as const;

export function App() {
  const address = useAddress();
  const route = routeOf(address.pathname);
  const main = useRef<HTMLElement>(null);
  useKeptFocus(main);
  const { session, expired } = useSession();
  const [isKnown, setIsKnown] = useState(false);
  useEffect(() => {
    currentSession()
      .then(setSession)
      // What else is asked for says what is wrong with the server.
      .catch(() => undefined)
      .finally(() => setIsKnown(true));
  }, []);
  const user = session?.user ?? null;
  const closed = session?.authentication === "local" && !user;
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
          {(closed ? [] : LINKS.filter(({ right }) => may(right))).map(({ page, href, text }) => (
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
        {user && <UserBar user={user} />}
      </header>
      <main id="main" ref={main} tabIndex={-1} data-keeps-focus>
        {isKnown && closed && <SignInPage />}
        {isKnown && !closed && <Page route={route} address={address} />}
      </main>
      {expired && user && <ExpiredDialog user={user} onLeave={() => window.location.assign("/")} />}
    </AnnouncerProvider>
  );
}

function Page({ route, address }: { route: Route; address: URL }) {
  switch (route.page) {
    case "studies":
      return <StudiesPage query={address.searchParams} />;
    case "study":
      return <StudyPage key={route.study} uid={route.study} />;
    case "notes":
      return <NotesPage query={address.searchParams} />;
    case "held":
      return <HeldPage />;
    case "findings":
      return <FindingsPage />;
    case "withdrawals":
      return <WithdrawalsPage query={address.searchParams} />;
    case "removed":
      return <RemovedPage query={address.searchParams} />;
    case "rejections":
      return <RejectionsPage query={address.searchParams} />;
    case "purges":
      return <PurgesPage query={address.searchParams} />;
    case "backups":
      return <BackupsPage />;
    case "deliveries":
      return <DeliveriesPage query={address.searchParams} />;
    case "routes":
      return <RoutesPage query={address.searchParams} />;
    case "retention":
      return <RetentionPage query={address.searchParams} />;
    case "jobs":
      return <JobsPage query={address.searchParams} />;
    case "alerts":
      return <AlertsPage query={address.searchParams} />;
    case "explain":
      return <ExplainPage query={address.searchParams} />;
    case "audit":
      return <AuditPage query={address.searchParams} />;
    case "users":
      return <UsersPage />;
    case "tokens":
      return <TokensPage />;
    case "unknown":
      return <Unknown path={address.pathname} />;
  }
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

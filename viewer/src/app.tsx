import { useEffect, useRef, useState } from "react";
import { AuditPage } from "./access/audit-page";
import { TokensPage } from "./access/tokens-page";
import { UsersPage } from "./access/users-page";
import { currentSession } from "./api/client";
import { setSession, useSession } from "./api/session";
import { AnnouncerProvider } from "./parts/announcer";
import { Star } from "./parts/icons";
import { useKeptFocus } from "./parts/use-kept-focus";
import { GroupNavigation, Navigation } from "./navigation/navigation";
import { NotesPage } from "./notes/notes-page";
import { FindingsPage } from "./records/findings-page";
import { HeldPage } from "./records/held-page";
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
        {!closed && <Navigation page={route.page} />}
        {user && <UserBar user={user} />}
      </header>
      {!closed && <GroupNavigation page={route.page} />}
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

import { useEffect } from "react";
import { AnnouncerProvider } from "./parts/announcer";
import { Star } from "./parts/icons";
import { NotesPage } from "./notes/notes-page";
import { FindingsPage } from "./records/findings-page";
import { HeldPage } from "./records/held-page";
import { Link, routeOf, useAddress } from "./router";
import { StudiesPage } from "./studies/studies-page";
import { StudyPage } from "./study/study-page";

const LINKS = [
  { page: "studies", href: "/", text: "Studies" },
  { page: "notes", href: "/notes", text: "Notes" },
  { page: "findings", href: "/findings", text: "Findings" },
  { page: "held", href: "/held", text: "Held copies" },
] as const;

export function App() {
  const address = useAddress();
  const route = routeOf(address.pathname);
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
            </Link>
          ))}
        </nav>
        <div id="top-bar-slot" className="top-bar-slot" />
      </header>
      <main id="main" tabIndex={-1}>
        {route.page === "studies" && <StudiesPage query={address.searchParams} />}
        {route.page === "study" && <StudyPage key={route.study} uid={route.study} />}
        {route.page === "notes" && <NotesPage query={address.searchParams} />}
        {route.page === "held" && <HeldPage />}
        {route.page === "findings" && <FindingsPage />}
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

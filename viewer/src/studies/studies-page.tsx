import { useCallback, useEffect, useMemo, useRef } from "react";
import { studies } from "../api/client";
import type { StudyFilter } from "../api/contract";
import { plural } from "../model/when";
import { useKeys } from "../parts/keys";
import { MoreButton } from "../lists/more-button";
import { ProblemNotice } from "../parts/problem-notice";
import { usePages } from "../lists/use-pages";
import { useRowFocus } from "../lists/use-row-focus";
import { go } from "../router";
import { filterAddress, filterOf, isFiltered } from "./filter";
import { FilterBar } from "./filter-bar";
import { StudyTable } from "./study-table";

/** The list of studies. What is searched for stands in the address, so that Back and reload keep it. */
export function StudiesPage({ query }: { query: URLSearchParams }) {
  const written = query.toString();
  const filter = useMemo(() => filterOf(new URLSearchParams(written)), [written]);
  const fetchPage = useCallback(
    (cursor: string | null, signal: AbortSignal) => studies(filter, cursor, signal),
    [filter],
  );
  const pages = usePages(fetchPage);
  const table = useRef<HTMLDivElement>(null);
  const search = useRef<HTMLInputElement>(null);

  useEffect(() => {
    document.title = "Studies · Kinote";
  }, []);

  const moveFocus = useRowFocus(table);
  useKeys((event) => {
    if (event.key === "/") search.current?.focus();
    else if (event.key === "ArrowDown" || event.key === "j") moveFocus(1);
    else if (event.key === "ArrowUp") moveFocus(-1);
    else return false;
    return true;
  });

  const change = useCallback((next: StudyFilter) => go(filterAddress(next), "replace"), []);
  const nothing = !pages.starting && !pages.problem && pages.items.length === 0;
  return (
    <section className="page studies-page" aria-labelledby="studies-title">
      <div className="page-head">
        <h1 id="studies-title">Studies</h1>
        <p className="quiet" aria-live="polite" data-testid="study-count">
          {pages.starting || nothing
            ? ""
            : `${plural(pages.items.length, "study", "studies")}${pages.hasMore ? " so far" : ""}`}
        </p>
      </div>
      <FilterBar filter={filter} search={search} onChange={change} onArrowDown={() => moveFocus(1)} />
      {pages.problem && <ProblemNotice problem={pages.problem} onRetry={pages.retry} />}
      <div ref={table} className={pages.loading ? "is-loading" : ""} aria-busy={pages.loading}>
        {pages.starting && !pages.problem && <div className="skeleton-rows" aria-hidden="true" />}
        {pages.items.length > 0 && <StudyTable studies={pages.items} />}
      </div>
      {nothing && <Nothing filtered={isFiltered(filter)} />}
      <MoreButton pages={pages} testid="more-studies" />
    </section>
  );
}

function Nothing({ filtered }: { filtered: boolean }) {
  return filtered ? (
    <div className="empty" data-testid="no-studies">
      <h2>No study matches</h2>
      <p>
        Search looks for the beginnings of words in names, patient IDs, accession numbers and descriptions.
      </p>
      <button type="button" className="button" onClick={() => go("/")}>
        Clear the search
      </button>
    </div>
  ) : (
    <div className="empty" data-testid="no-studies">
      <h2>No studies yet</h2>
      <p>
        Bring some in with <code>kinote import PATH</code>, or store them by DICOMweb at{" "}
        <code>/dicomweb/studies</code>.
      </p>
    </div>
  );
}

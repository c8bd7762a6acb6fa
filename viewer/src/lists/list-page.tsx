import { type ReactNode, type RefObject, useEffect, useId } from "react";
import { ProblemNotice } from "../parts/problem-notice";
import { MoreButton } from "./more-button";
import type { Pages } from "./use-pages";

interface ListPageProps {
  title: string;
  pages: Pages<unknown>;
  /** How many there are, in words. */
  counted?: (count: number) => string;
  /** What the list is, for who has not seen it before. */
  lead?: ReactNode;
  /** What the list is searched by. */
  bar?: ReactNode;
  /** What stands in place of the rows when there are none. */
  nothing: ReactNode;
  testids: { count?: string; more: string };
  rows?: RefObject<HTMLDivElement | null>;
  children: ReactNode;
}

/** A page that is a list, read page by page: its name and count, its bar, its rows, and the way to more. */
export function ListPage(props: ListPageProps) {
  const { title, pages, counted, lead, bar, nothing, testids, rows, children } = props;
  const heading = useId();
  useEffect(() => {
    document.title = `${title} · Kinote`;
  }, [title]);
  const count = pages.items.length;
  const isEmpty = !pages.starting && !pages.problem && count === 0;
  return (
    <section className="page" aria-labelledby={heading}>
      <div className="page-head">
        <h1 id={heading}>{title}</h1>
        {counted && (
          <p className="quiet" aria-live="polite" data-testid={testids.count}>
            {pages.starting || count === 0 ? "" : `${counted(count)}${pages.hasMore ? " so far" : ""}`}
          </p>
        )}
      </div>
      {lead && <p className="lead">{lead}</p>}
      {bar}
      {pages.problem && <ProblemNotice problem={pages.problem} onRetry={pages.retry} />}
      <div ref={rows} className={pages.loading ? "is-loading" : ""} aria-busy={pages.loading}>
        {children}
      </div>
      {isEmpty && nothing}
      <MoreButton pages={pages} testid={testids.more} />
    </section>
  );
}

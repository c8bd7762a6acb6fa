import { type ReactNode, useCallback, useState } from "react";
import {
  type FailedPurge,
  failedPurges,
  type PlannedPurge,
  type Purge,
  purgePlan,
  purges,
  retryPurges,
} from "../api/operations";
import { ListPage } from "../lists/list-page";
import { usePages } from "../lists/use-pages";
import { bytes, moment, plural } from "../model/when";
import { useAnnounce } from "../parts/announcer";
import { ProblemNotice } from "../parts/problem-notice";
import { useAct } from "../parts/use-act";
import { go, Link } from "../router";
import { tellAlertsChanged } from "./alerts-changed";
import { PURGE_VIEW } from "./filters";

const VIEWS = [
  ["planned", "Planned"],
  ["purged", "Purged"],
  ["failed", "Failed"],
] as const;

/** Bytes of what was withdrawn: which will be removed, which were, and which could not be. */
export function PurgesPage({ query }: { query: URLSearchParams }) {
  const { view, days } = PURGE_VIEW.read(query);
  const bar = (
    <>
      <nav className="tabs" aria-label="Views of purges">
        {VIEWS.map(([name, text]) => (
          <Link
            key={name}
            href={PURGE_VIEW.write({ view: name, days })}
            className="tab"
            aria-current={view === name ? "page" : undefined}
            data-testid={`purges-${name}`}
          >
            {text}
          </Link>
        ))}
      </nav>
    </>
  );
  if (view === "purged") return <Purged bar={bar} />;
  if (view === "failed") return <Failed bar={bar} />;
  return <Planned bar={bar} days={days} />;
}

const TITLE = "Purges";

const LEAD =
  "The bytes of what was withdrawn are removed for good after the time that is set. What stays says what it was, when and why.";

function Planned({ bar, days }: { bar: ReactNode; days: string }) {
  const [isOff, setIsOff] = useState(false);
  const fetchPage = useCallback(
    async (cursor: string | null, signal: AbortSignal) => {
      const page = await purgePlan(days, cursor, signal);
      setIsOff(page.is_off);
      return page;
    },
    [days],
  );
  const pages = usePages(fetchPage);
  return (
    <ListPage
      title={TITLE}
      pages={pages}
      counted={(count) => plural(count, "object")}
      lead={LEAD}
      bar={
        <>
          {bar}
          <form className="filter-bar" onSubmit={(event) => event.preventDefault()}>
            <label className="field-inline">
              <span>Within</span>
              <select
                value={days}
                onChange={(event) => go(PURGE_VIEW.write({ view: "planned", days: event.target.value }), "replace")}
                data-testid="purge-days"
              >
                <option value="0">now</option>
                <option value="7">7 days</option>
                <option value="30">30 days</option>
                <option value="365">a year</option>
                <option value="36500">any time</option>
              </select>
            </label>
          </form>
        </>
      }
      nothing={
        <div className="empty" data-testid="no-purges-planned">
          <h2>{isOff ? "Nothing is ever purged" : "Nothing will be purged by then"}</h2>
          <p>
            {isOff
              ? "No delay is set (purge_after): withdrawn objects keep their bytes."
              : "Withdrawn objects whose time is over by then would be here."}
          </p>
        </div>
      }
      testids={{ count: "purge-count", more: "more-purges" }}
    >
      {pages.items.length > 0 && (
        <Table<PlannedPurge>
          testid="purge-plan"
          items={pages.items}
          head={["Object", "Why", "Withdrawn", "Due", "Size"]}
          cells={(each) => [each.act, moment(each.withdrawn_at), moment(each.due_at), bytes(each.bytes)]}
        />
      )}
    </ListPage>
  );
}

function Purged({ bar }: { bar: ReactNode }) {
  const pages = usePages(purges);
  return (
    <ListPage
      title={TITLE}
      pages={pages}
      counted={(count) => plural(count, "object")}
      lead={LEAD}
      bar={bar}
      nothing={
        <div className="empty" data-testid="no-purges">
          <h2>Nothing was purged</h2>
          <p>What was purged would be here, the last first, with when and why.</p>
        </div>
      }
      testids={{ count: "purge-count", more: "more-purges" }}
    >
      {pages.items.length > 0 && (
        <Table<Purge>
          testid="purge-list"
          items={pages.items}
          head={["Object", "Why", "Withdrawn", "Purged", "Size"]}
          cells={(each) => [
            each.text || each.reason || each.act,
            `${moment(each.withdrawn_at)}${each.withdrawn_by ? ` by ${each.withdrawn_by}` : ""}`,
            `${moment(each.purged_at)}${each.removed_at ? "" : ", its bytes are still being removed"}`,
            each.bytes === null ? "" : bytes(each.bytes),
          ]}
        />
      )}
    </ListPage>
  );
}

function Failed({ bar }: { bar: ReactNode }) {
  const pages = usePages(failedPurges);
  const { working, problem, run } = useAct();
  const announce = useAnnounce();
  const retry = async (which: FailedPurge[]) => {
    const done = await run(async () => {
      const { count } = await retryPurges(which.map(({ instance }) => instance));
      announce(`${plural(count, "object")} will be tried again`);
    });
    if (!done) return;
    tellAlertsChanged();
    pages.restart();
  };
  return (
    <ListPage
      title={TITLE}
      pages={pages}
      counted={(count) => plural(count, "failure")}
      lead={LEAD}
      bar={
        <>
          {bar}
          {problem && <ProblemNotice problem={problem} />}
          {pages.items.length > 1 && (
            <div className="act-bar">
              <button
                type="button"
                className="button"
                aria-disabled={working}
                onClick={() => working || void retry(pages.items.slice(0, 1000))}
                data-testid="purges-retry-all"
              >
                Try all {pages.items.length} again
              </button>
            </div>
          )}
        </>
      }
      nothing={
        <div className="empty" data-testid="no-purge-failures">
          <h2>No purge has failed</h2>
          <p>Objects that could not be purged would be here, with the reason. They keep no other from being purged.</p>
        </div>
      }
      testids={{ count: "purge-count", more: "more-purges" }}
    >
      {pages.items.length > 0 && (
        <Table<FailedPurge>
          testid="purge-failures"
          items={pages.items}
          head={["Object", "What failed", "Reason", "Next", ""]}
          cells={(each) => [
            each.what === "bytes" ? "its bytes were not removed" : "it was not purged",
            each.attempts ? `${each.failure} (${plural(each.attempts, "attempt")})` : each.failure,
            next(each),
            <button
              key="retry"
              type="button"
              className="button"
              aria-disabled={working}
              aria-label={`Try ${each.sop_instance_uid} again`}
              onClick={() => working || void retry([each])}
              data-testid="purge-retry"
            >
              Try again
            </button>,
          ]}
        />
      )}
    </ListPage>
  );
}

function next({ state, retry_at: at }: FailedPurge): string {
  if (state === "dead") return "left alone";
  return at ? `again ${moment(at)}` : "again soon";
}

interface TableProps<Item> {
  testid: string;
  items: Item[];
  head: string[];
  /** The cells after the first one, which is the object. */
  cells: (item: Item) => ReactNode[];
}

function Table<Item extends { sop_instance_uid: string }>({ testid, items, head, cells }: TableProps<Item>) {
  return (
    <table className="record-table" data-testid={testid}>
      <thead>
        <tr>
          {head.map((name) => (
            <th scope="col" key={name}>
              {name || <span className="visually-hidden">Acts</span>}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {items.map((item) => (
          <tr key={item.sop_instance_uid} data-testid="purge-row">
            <th scope="row">
              <code className="uid">{item.sop_instance_uid}</code>
            </th>
            {cells(item).map((cell, at) => (
              <td key={head[at + 1]} data-label={head[at + 1]}>
                {cell}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

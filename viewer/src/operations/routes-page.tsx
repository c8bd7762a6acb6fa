import { Fragment, type ReactNode, useCallback, useState } from "react";
import { may } from "../api/session";
import {
  changeRoute,
  type DeliveryRoute,
  deliveryRoutes,
  type RouteConditions,
  type RouteResult,
  routeDryRun,
  routeResults,
  type WouldOrder,
} from "../api/routing";
import { ListPage } from "../lists/list-page";
import { MoreButton } from "../lists/more-button";
import { usePages } from "../lists/use-pages";
import { moment, plural } from "../model/when";
import { useAnnounce } from "../parts/announcer";
import { ProblemNotice } from "../parts/problem-notice";
import { useAct } from "../parts/use-act";
import { Link, studyAddress } from "../router";
import { ArchivesList } from "./archives-list";
import { DestinationsList } from "./destinations-list";
import { ROUTING_VIEW } from "./filters";

const VIEWS = [
  ["routes", "Routes"],
  ["destinations", "Destinations"],
  ["archives", "Archives"],
] as const;

/** What is delivered without anybody asking, and where it goes. */
export function RoutesPage({ query }: { query: URLSearchParams }) {
  const { view } = ROUTING_VIEW.read(query);
  const bar = (
    <nav className="tabs" aria-label="Views of routing">
      {VIEWS.map(([name, text]) => (
        <Link
          key={name}
          href={ROUTING_VIEW.write({ view: name })}
          className="tab"
          aria-current={view === name ? "page" : undefined}
          data-testid={`routing-${name}`}
        >
          {text}
        </Link>
      ))}
    </nav>
  );
  if (view === "archives") return <ArchivesList bar={bar} />;
  return view === "destinations" ? <DestinationsList bar={bar} /> : <RoutesList bar={bar} />;
}

function RoutesList({ bar }: { bar: ReactNode }) {
  const pages = usePages(deliveryRoutes);
  return (
    <ListPage
      title="Routes"
      pages={pages}
      counted={(count) => plural(count, "route")}
      lead="Rules by which objects are delivered. They are added with kinote routes, the REST API or the settings."
      bar={bar}
      nothing={
        <div className="empty" data-testid="no-routes">
          <h2>No routes</h2>
          <p>Nothing is delivered unless somebody asks for it.</p>
        </div>
      }
      testids={{ count: "route-count", more: "more-routes" }}
    >
      <ul className="records" data-testid="route-list">
        {pages.items.map((route) => (
          <RouteRow key={route.id} listed={route} />
        ))}
      </ul>
    </ListPage>
  );
}

function RouteRow({ listed }: { listed: DeliveryRoute }) {
  const [changed, setChanged] = useState<DeliveryRoute | null>(null);
  const [shown, setShown] = useState<"" | "dry-run" | "results">("");
  const { working, problem, run } = useAct();
  const announce = useAnnounce();
  const route = changed ?? listed;
  const change = (part: Parameters<typeof changeRoute>[1], said: string) =>
    void run(async () => {
      setChanged(await changeRoute(route, part));
      announce(`${route.name}: ${said}`);
    });
  const isOurs = route.origin === "people" && may("operate");
  return (
    <li className="record" data-testid="route-row" data-route={route.name}>
      <div className="record-head">
        <strong dir="auto">{route.name}</strong>
        <span className={`badge ${stateOf(route)[1]}`} data-testid="route-state">
          {stateOf(route)[0]}
        </span>
        <span>
          {route.content} to <b dir="auto">{route.destination.name}</b>
        </span>
        {route.origin === "settings" && <span className="badge">from the settings</span>}
      </div>
      {route.description && <p dir="auto">{route.description}</p>}
      <p>
        On {route.triggers.join(", ")}
        {route.triggers.includes("study quiet") && ` for ${route.quiet_seconds} seconds`}
        {conditionsOf(route.conditions).map(([name, text]) => (
          <Fragment key={name}>
            {"; "}
            {name} <span dir="auto">{text}</span>
          </Fragment>
        ))}
        .
      </p>
      {route.failure && (
        <p data-testid="route-failure">
          It cannot act since {moment(route.failed_at)}: {route.failure}
        </p>
      )}
      <div className="act-bar">
        {may("examine") && (
          <>
            <button
              type="button"
              className="button"
              aria-expanded={shown === "dry-run"}
              onClick={() => setShown(shown === "dry-run" ? "" : "dry-run")}
              data-testid="route-dry-run"
            >
              What it would do
            </button>
            <button
              type="button"
              className="button"
              aria-expanded={shown === "results"}
              onClick={() => setShown(shown === "results" ? "" : "results")}
              data-testid="route-results"
            >
              What it did ({Object.values(route.results).reduce((sum, each) => sum + each, 0)})
            </button>
          </>
        )}
        {isOurs && route.training && (
          <button
            type="button"
            className="button"
            aria-disabled={working}
            onClick={() => working || change({ training: false }, "it delivers from now on")}
            data-testid="route-switch-on"
          >
            End the training
          </button>
        )}
        {isOurs && !route.training && (
          <button
            type="button"
            className="button"
            aria-disabled={working}
            onClick={() => working || change({ training: true }, "in training")}
            data-testid="route-train"
          >
            Put into training
          </button>
        )}
        {isOurs && (
          <button
            type="button"
            className="button"
            aria-disabled={working}
            onClick={() =>
              working || change({ enabled: !route.enabled }, route.enabled ? "disabled" : "enabled")
            }
            data-testid="route-enable"
          >
            {route.enabled ? "Disable" : "Enable"}
          </button>
        )}
      </div>
      {problem && <ProblemNotice problem={problem} />}
      {shown === "dry-run" && <DryRun route={route} />}
      {shown === "results" && <Results route={route} />}
    </li>
  );
}

function stateOf(route: DeliveryRoute): [string, string] {
  if (!route.enabled) return ["disabled", ""];
  if (route.failure) return ["cannot act", "badge-error"];
  return route.training ? ["in training", "badge-warning"] : ["acts", "badge-info"];
}

/** The conditions that a route has, each in words. */
function conditionsOf(conditions: RouteConditions): [string, string][] {
  const found: [string, string][] = [];
  const list = (name: string, values: string[]) => {
    if (values.length) found.push([name, values.join(" or ")]);
  };
  list(
    "title",
    conditions.titles.map(({ value, scheme }) => `${scheme} ${value}`),
  );
  list("note", conditions.note_origins);
  list("modality", conditions.modalities);
  list("SOP class", conditions.sop_classes);
  list("from", conditions.sources);
  list("patient", conditions.patients);
  list("study", conditions.studies);
  if (conditions.oldest_days !== null) found.push(["study not older than", plural(conditions.oldest_days, "day")]);
  if (conditions.youngest_days !== null) found.push(["study at least", `${plural(conditions.youngest_days, "day")} old`]);
  if (conditions.has_notes !== null) found.push([conditions.has_notes ? "only studies with" : "only studies without", "notes"]);
  return found;
}

function DryRun({ route }: { route: DeliveryRoute }) {
  const [days, setDays] = useState("7");
  const fetchPage = useCallback(
    (cursor: string | null, signal: AbortSignal) => routeDryRun(route.id, days, cursor, signal),
    [route.id, days],
  );
  const pages = usePages<WouldOrder>(fetchPage);
  const objects = pages.items.reduce((sum, each) => sum + each.objects, 0);
  return (
    <div className="record-part" data-testid="dry-run">
      <label className="field-inline">
        <span>In the last</span>
        <select value={days} onChange={(event) => setDays(event.target.value)} data-testid="dry-run-days">
          <option value="1">day</option>
          <option value="7">7 days</option>
          <option value="30">30 days</option>
          <option value="365">year</option>
        </select>
      </label>
      {pages.problem && <ProblemNotice problem={pages.problem} onRetry={pages.retry} />}
      {!pages.starting && (
        <p aria-live="polite" data-testid="dry-run-sum">
          {pages.items.length === 0 && !pages.hasMore
            ? "It would have ordered nothing."
            : `It would have ordered ${plural(objects, "object")} on ${plural(pages.items.length, "occasion")}${pages.hasMore ? " so far" : ""}. Nothing is ordered by looking.`}
        </p>
      )}
      <ul>
        {pages.items.map((each) => (
          <li key={`${each.trigger} ${each.study_instance_uid} ${each.note}`} data-testid="dry-run-row">
            {plural(each.objects, "object")}
            {each.there > 0 && ` (${each.there} more are there already)`} on {each.trigger}:{" "}
            <Occasion note={each.note} study={each.study_instance_uid} />
          </li>
        ))}
      </ul>
      <MoreButton pages={pages} testid="more-dry-run" />
    </div>
  );
}

const OUTCOMES: Record<RouteResult["outcome"], string> = {
  ordered: "badge-info",
  "would order": "badge-warning",
  "left out": "badge-warning",
  failed: "badge-error",
};

function Results({ route }: { route: DeliveryRoute }) {
  const fetchPage = useCallback(
    (cursor: string | null, signal: AbortSignal) => routeResults(route.id, cursor, signal),
    [route.id],
  );
  const pages = usePages<RouteResult>(fetchPage);
  return (
    <div className="record-part" data-testid="results">
      {pages.problem && <ProblemNotice problem={pages.problem} onRetry={pages.retry} />}
      {!pages.starting && pages.items.length === 0 && <p>It has not acted yet.</p>}
      <ul>
        {pages.items.map((each) => (
          <li key={each.id} data-testid="result-row">
            <span className={`badge ${OUTCOMES[each.outcome]}`}>{each.outcome}</span>{" "}
            {each.outcome === "failed" ? "nothing" : plural(each.objects, "object")} on {each.trigger},{" "}
            {moment(each.at)}: <Occasion note={each.note} study={each.study_instance_uid} />
            {each.delivery !== null && `, delivery ${each.delivery}`}
            {each.said && (
              <>
                {". "}
                <span dir="auto">{each.said}</span>
              </>
            )}
          </li>
        ))}
      </ul>
      <MoreButton pages={pages} testid="more-results" />
    </div>
  );
}

function Occasion({ note, study }: { note: number | null; study: string }) {
  const link = note === null ? {} : { note: String(note) };
  return (
    <Link href={studyAddress(study, link)}>{note === null ? `study ${study}` : `note ${note} of study ${study}`}</Link>
  );
}

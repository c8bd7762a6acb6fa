import { type ReactNode, useState } from "react";
import { changePolicy, type Destination, destinations, type Probed, testDestination } from "../api/routing";
import { may } from "../api/session";
import { ListPage } from "../lists/list-page";
import { usePages } from "../lists/use-pages";
import { moment, plural } from "../model/when";
import { useAnnounce } from "../parts/announcer";
import { ProblemNotice } from "../parts/problem-notice";
import { useAct } from "../parts/use-act";

/** Where objects are sent: whether each answers, and when it is planned to be away. */
export function DestinationsList({ bar }: { bar: ReactNode }) {
  const pages = usePages(destinations);
  return (
    <ListPage
      title="Destinations"
      pages={pages}
      counted={(count) => plural(count, "destination")}
      lead="Where objects are sent. What is to be delivered during a planned downtime waits, without attempts and alerts."
      bar={bar}
      nothing={
        <div className="empty" data-testid="no-destinations">
          <h2>No destinations</h2>
          <p>They are added with kinote destinations, the REST API or the settings.</p>
        </div>
      }
      testids={{ count: "destination-count", more: "more-destinations" }}
    >
      <ul className="records" data-testid="destination-list">
        {pages.items.map((destination) => (
          <DestinationRow key={destination.id} listed={destination} />
        ))}
      </ul>
    </ListPage>
  );
}

function DestinationRow({ listed }: { listed: Destination }) {
  const [changed, setChanged] = useState<Destination | null>(null);
  const [probed, setProbed] = useState<Probed | null>(null);
  const [planning, setPlanning] = useState(false);
  const { working, problem, run } = useAct();
  const announce = useAnnounce();
  const destination = changed ?? listed;
  const { policy } = destination;
  const plan = (from: string, until: string, why: string) =>
    void run(async () => {
      setChanged(await changePolicy(destination, { downtime_from: from, downtime_until: until, downtime_why: why }));
      setPlanning(false);
      announce(from ? "The downtime is planned" : "No downtime is planned");
    });
  return (
    <li className="record" data-testid="destination-row" data-destination={destination.name}>
      <div className="record-head">
        <strong dir="auto">{destination.name}</strong>
        <span className={`badge ${destination.hindrance ? "badge-error" : "badge-info"}`}>
          {destination.hindrance ? "gets nothing" : "ready"}
        </span>
        <span dir="auto">
          {destination.peer.name} at {destination.address}
        </span>
        <span className="quiet">gets {policy.content} unless a route says otherwise</span>
        {destination.origin === "settings" && <span className="badge">from the settings</span>}
      </div>
      {destination.description && <p dir="auto">{destination.description}</p>}
      {destination.hindrance && <p>{destination.hindrance}</p>}
      {policy.downtime_from && (
        <p data-testid="destination-downtime">
          Planned to be away from {moment(policy.downtime_from)}
          {policy.downtime_until && ` until ${moment(policy.downtime_until)}`}
          {policy.downtime_why && (
            <>
              : <span dir="auto">{policy.downtime_why}</span>
            </>
          )}
        </p>
      )}
      {may("operate") && (
        <div className="act-bar">
          <button
            type="button"
            className="button"
            aria-disabled={working}
            onClick={() => working || void run(async () => setProbed(await testDestination(destination)))}
            data-testid="destination-test"
          >
            {working ? "Asking…" : "See whether it answers"}
          </button>
          {destination.origin === "people" && (
            <button
              type="button"
              className="button"
              aria-expanded={planning}
              onClick={() => setPlanning(!planning)}
              data-testid="destination-plan"
            >
              Plan a downtime
            </button>
          )}
          {destination.origin === "people" && policy.downtime_from && (
            <button
              type="button"
              className="button"
              aria-disabled={working}
              onClick={() => working || plan("", "", "")}
              data-testid="destination-no-downtime"
            >
              It is not away
            </button>
          )}
        </div>
      )}
      {probed && (
        <p aria-live="polite" data-testid="destination-answer">
          <span className={`badge ${probed.answers ? "badge-info" : "badge-error"}`}>
            {probed.answers ? "answers" : "does not answer"}
          </span>{" "}
          {probed.sentence}
        </p>
      )}
      {problem && <ProblemNotice problem={problem} />}
      {planning && <Downtime working={working} onPlan={plan} />}
    </li>
  );
}

interface DowntimeProps {
  working: boolean;
  onPlan: (from: string, until: string, why: string) => void;
}

/** When a destination is planned to be away; the browser's time zone is meant. */
function Downtime({ working, onPlan }: DowntimeProps) {
  const [from, setFrom] = useState("");
  const [until, setUntil] = useState("");
  const [why, setWhy] = useState("");
  const isWhole = from !== "" && until > from && why.trim() !== "";
  return (
    <form
      className="filter-bar"
      data-testid="downtime-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (isWhole && !working) onPlan(new Date(from).toISOString(), new Date(until).toISOString(), why.trim());
      }}
    >
      <label className="field-inline">
        <span>From</span>
        <input type="datetime-local" value={from} onChange={({ target }) => setFrom(target.value)} data-testid="downtime-from" />
      </label>
      <label className="field-inline">
        <span>Until</span>
        <input type="datetime-local" value={until} onChange={({ target }) => setUntil(target.value)} data-testid="downtime-until" />
      </label>
      <label className="field-inline">
        <span>Why</span>
        <input type="text" value={why} maxLength={200} onChange={({ target }) => setWhy(target.value)} data-testid="downtime-why" />
      </label>
      <button type="submit" className="button primary" aria-disabled={!isWhole || working} data-testid="downtime-save">
        Plan it
      </button>
    </form>
  );
}

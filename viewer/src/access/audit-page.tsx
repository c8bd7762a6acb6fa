import { trail, type TrailEntry, type TrailFilter } from "../api/access";
import { may } from "../api/session";
import { ChoiceField, DayField, TextField } from "../lists/filter-fields";
import { ListPage } from "../lists/list-page";
import { type FilterAddress, useFilteredList } from "../lists/use-filtered-list";
import { moment, plural } from "../model/when";
import { lastDays } from "../operations/period";
import { go, Link, studyAddress } from "../router";
import { EVENTS } from "./words";

const NONE: TrailFilter = { patient: "", actor: "", event: "", from: "", to: "" };
const NAMES = Object.keys(NONE) as (keyof TrailFilter)[];

export const TRAIL_FILTER: FilterAddress<TrailFilter> = {
  none: NONE,
  read: (query) => {
    const filter = { ...NONE };
    for (const name of NAMES) filter[name] = query.get(name) ?? "";
    return filter;
  },
  write: (filter) => {
    const query = new URLSearchParams();
    for (const name of NAMES) if (filter[name]) query.set(name, filter[name]);
    const written = query.toString();
    return written ? `/audit?${written}` : "/audit";
  },
};

const OUTCOMES: Record<string, string> = { success: "", refused: "badge-warning", failure: "badge-error" };

/** Who did what with whose objects. */
export function AuditPage({ query }: { query: URLSearchParams }) {
  const { pages, filter, isFiltered, change, rows } = useFilteredList(query, TRAIL_FILTER, trail);
  return (
    <ListPage
      title="Audit trail"
      pages={pages}
      counted={(count) => plural(count, "entry", "entries")}
      lead="Who saw, made, changed, removed or sent what, and what was refused. Give a Patient ID to see who saw this patient. To read it is an entry itself."
      bar={
        <form className="filter-bar" onSubmit={(event) => event.preventDefault()}>
          <TextField
            label="Patient ID"
            hint="whole"
            value={filter.patient}
            testid="audit-patient"
            onChange={(patient) => change({ patient })}
          />
          <TextField
            label="Who"
            hint="login or AE title"
            value={filter.actor}
            testid="audit-actor"
            onChange={(actor) => change({ actor })}
          />
          <ChoiceField
            label="What"
            value={filter.event}
            testid="audit-event"
            onChange={(event) => change({ event })}
          >
            <option value="">Everything</option>
            {EVENTS.map((event) => (
              <option key={event} value={event}>
                {event}
              </option>
            ))}
          </ChoiceField>
          <DayField
            label="From"
            value={filter.from}
            max={filter.to}
            testid="audit-from"
            onChange={(from) => change({ from })}
          />
          <DayField
            label="To"
            value={filter.to}
            min={filter.from}
            testid="audit-to"
            onChange={(to) => change({ to })}
          />
          <button
            type="button"
            className="button plain"
            onClick={() => go(TRAIL_FILTER.write({ ...NONE, event: "withdrawn", ...lastDays(30) }), "replace")}
            data-testid="audit-removed"
          >
            Removed in 30 days
          </button>
        </form>
      }
      nothing={
        <div className="empty" data-testid="no-audit">
          <h2>{isFiltered ? "No entry fits" : "There are no entries"}</h2>
          <p>
            {isFiltered
              ? "A Patient ID and a login are looked for as a whole."
              : "An audit trail is written where people sign in."}
          </p>
        </div>
      }
      testids={{ count: "audit-count", more: "more-audit" }}
      rows={rows}
    >
      {pages.items.length > 0 && (
        <table className="record-table" data-testid="audit-list">
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">Who</th>
              <th scope="col">What</th>
              <th scope="col">Patient ID</th>
              <th scope="col">Of what, and why</th>
            </tr>
          </thead>
          <tbody>
            {pages.items.map((entry) => (
              <EntryRow key={entry.id} entry={entry} onPatient={(patient) => change({ patient })} />
            ))}
          </tbody>
        </table>
      )}
    </ListPage>
  );
}

function EntryRow({ entry, onPatient }: { entry: TrailEntry; onPatient: (patient: string) => void }) {
  const { by, patient_id: patient, study_instance_uid: study } = entry;
  const details = Object.entries(entry.detail).filter(([name]) => name !== "path" && name !== "method");
  return (
    <tr data-testid="audit-row">
      <td data-label="When">
        <time dateTime={entry.at}>{moment(entry.at)}</time>
      </td>
      <td data-label="Who" dir="auto">
        {by.kind === "server" ? "Kinote itself" : by.name || "nobody"}
        {by.address && <div className="quiet">{by.address}</div>}
      </td>
      <td data-label="What">
        {entry.event}
        {entry.outcome !== "success" && entry.outcome !== entry.event && (
          <>
            {" "}
            <span className={`badge ${OUTCOMES[entry.outcome] ?? ""}`}>{entry.outcome}</span>
          </>
        )}
      </td>
      <td data-label="Patient ID">
        {patient && (
          <button
            type="button"
            className="button plain"
            title={`Who saw ${patient}?`}
            onClick={() => onPatient(patient)}
            data-testid="audit-of-patient"
          >
            {patient}
          </button>
        )}
      </td>
      <td data-label="Of what, and why">
        {study && (may("read") ? <Link href={studyAddress(study)}>{study}</Link> : <code className="uid">{study}</code>)}{" "}
        {entry.subject}
        {details.length > 0 && (
          <div className="quiet" dir="auto">
            {details.map(([name, value]) => `${name}: ${value}`).join(" · ")}
          </div>
        )}
      </td>
    </tr>
  );
}

import { type KeyboardEvent, useId, useState } from "react";
import { acknowledgeAlert, type Alert, ownAlert, snoozeAlert } from "../api/operations";
import { ConfirmDialog } from "../dialogs/confirm-dialog";
import { loadAuthor } from "../model/draft-store";
import { moment, personName } from "../model/when";
import { useAnnounce } from "../parts/announcer";
import { ProblemNotice } from "../parts/problem-notice";
import { Sentence } from "../parts/sentence";
import { type Act, useAct } from "../parts/use-act";
import { Link } from "../router";
import { tellAlertsChanged } from "./alerts-changed";

const SEVERITIES: Record<Alert["severity"], string> = { error: "badge-error", warning: "badge-warning" };

/** Where that is which an alert is about. */
const WHERE: Record<string, string> = {
  ARCHIVE_SUSPENDED: "/routes?view=archives",
  BACKUP_TOO_OLD: "/backups",
  CACHE_FULL_OF_WHAT_MUST_STAY: "/retention?view=rules",
  DELIVERIES_DIFFER: "/deliveries?state=failed",
  DELIVERIES_FAILED: "/deliveries?state=failed",
  JOBS_DEAD: "/jobs?state=dead",
  PURGES_DEAD: "/purges?view=failed",
  REJECTIONS_WAITING: "/rejections",
  ROUTE_FAILED: "/routes",
  SAFETY_REJECTIONS_WAITING: "/rejections",
};

const SNOOZES: [string, string][] = [
  ["1", "1 hour"],
  ["8", "8 hours"],
  ["24", "1 day"],
  ["168", "1 week"],
];

/** One alert: what is wrong and what to do, who sees to it, and until when it may wait. */
export function AlertRow({ listed }: { listed: Alert }) {
  const [changed, setChanged] = useState<Alert | null>(null);
  const [owning, setOwning] = useState(false);
  const act = useAct();
  const announce = useAnnounce();
  const alert = changed ?? listed;
  const change = async (asked: () => Promise<Alert>, said: string) => {
    const done = await act.run(async () => setChanged(await asked()));
    if (!done) return false;
    announce(said);
    tellAlertsChanged();
    return true;
  };
  return (
    <li className="record" data-testid="alert-row" data-code={alert.code}>
      <div className="record-head">
        <span className={`badge ${SEVERITIES[alert.severity]}`}>{alert.severity}</span>
        <strong>{alert.code}</strong>
        <span className="badge" data-testid="alert-state">
          {alert.state}
        </span>
        <time dateTime={alert.since}>since {moment(alert.since)}</time>
        {alert.owner && (
          <span dir="auto" data-testid="alert-owner">
            {personName(alert.owner)} sees to it
          </span>
        )}
      </div>
      <p dir="auto">
        <Sentence text={alert.sentence} />
        {alert.state !== "cleared" && WHERE[alert.code] && (
          <>
            {" "}
            <Link href={WHERE[alert.code] ?? "/"}>Look at them</Link>
          </>
        )}
      </p>
      <Said alert={alert} />
      {alert.state !== "cleared" && (
        <div className="act-bar">
          {!alert.acknowledged_at && (
            <button
              type="button"
              className="button"
              aria-disabled={act.working}
              onClick={() =>
                act.working || void change(() => acknowledgeAlert(alert.id, loadAuthor()), "Acknowledged")
              }
              data-testid="alert-acknowledge"
            >
              Acknowledge
            </button>
          )}
          <button type="button" className="button" onClick={() => setOwning(true)} data-testid="alert-own">
            {alert.owner ? "Other owner…" : "Owner…"}
          </button>
          {alert.state === "snoozed" ? (
            <button
              type="button"
              className="button"
              aria-disabled={act.working}
              onClick={() =>
                act.working || void change(() => snoozeAlert(alert.id, 0, loadAuthor()), "It waits no longer")
              }
              data-testid="alert-wake"
            >
              Wait no longer
            </button>
          ) : (
            <label className="inline-select">
              <span>Snooze for</span>
              <select
                value=""
                onChange={(event) => {
                  const hours = Number(event.target.value);
                  void change(() => snoozeAlert(alert.id, hours, loadAuthor()), "Snoozed");
                }}
                data-testid="alert-snooze"
              >
                <option value="" disabled>
                  choose…
                </option>
                {SNOOZES.map(([hours, text]) => (
                  <option key={hours} value={hours}>
                    {text}
                  </option>
                ))}
              </select>
            </label>
          )}
        </div>
      )}
      {act.problem && !owning && <ProblemNotice problem={act.problem} />}
      {owning && (
        <OwnerDialog
          alert={alert}
          act={act}
          onClose={() => {
            act.clear();
            setOwning(false);
          }}
          onOwn={async (owner) => {
            const said = owner ? `${personName(owner)} sees to it` : "Nobody sees to it";
            if (await change(() => ownAlert(alert.id, owner, loadAuthor()), said)) setOwning(false);
          }}
        />
      )}
    </li>
  );
}

/** What people have said of an alert. */
function Said({ alert }: { alert: Alert }) {
  const said = [
    alert.cleared_at && `Cleared ${moment(alert.cleared_at)}, by itself: what was wrong has ended.`,
    alert.acknowledged_at && `Acknowledged ${moment(alert.acknowledged_at)} by ${alert.acknowledged_by}.`,
    alert.state === "snoozed" && `It waits until ${moment(alert.snoozed_until)}, says ${alert.snoozed_by}.`,
  ].filter((sentence) => typeof sentence === "string");
  if (said.length === 0) return null;
  return <p className="quiet">{said.join(" ")}</p>;
}

interface OwnerDialogProps {
  alert: Alert;
  act: Act;
  onClose: () => void;
  onOwn: (owner: string) => Promise<void>;
}

function OwnerDialog({ alert, act, onClose, onOwn }: OwnerDialogProps) {
  const [owner, setOwner] = useState(() => alert.owner ?? loadAuthor());
  const id = useId();
  const own = () => act.working || void onOwn(owner.trim());
  return (
    <ConfirmDialog
      title="Who sees to this alert?"
      testid="owner-dialog"
      keep="Leave it"
      confirm={owner.trim() ? "Put down" : "Nobody"}
      confirmTestid="owner-confirm"
      onClose={onClose}
      onConfirm={own}
    >
      <p>Everybody sees this name beside the alert. Leave it empty if nobody does.</p>
      <div className="field">
        <label htmlFor={id}>Name</label>
        <input
          id={id}
          type="text"
          value={owner}
          maxLength={194}
          autoComplete="name"
          onChange={(event) => setOwner(event.target.value)}
          onKeyDown={(event: KeyboardEvent) => event.key === "Enter" && own()}
          data-first
          data-testid="owner-name"
        />
      </div>
      {act.problem && <ProblemNotice problem={act.problem} />}
    </ConfirmDialog>
  );
}

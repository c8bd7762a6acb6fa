import { useState } from "react";
import {
  decideRejection,
  type RejectedInstance,
  type Rejection,
  rejection as readRejection,
  rejections,
} from "../api/operations";
import { ReasonDialog } from "../dialogs/reason-dialog";
import { ChoiceField } from "../lists/filter-fields";
import { ListPage } from "../lists/list-page";
import { useFilteredList } from "../lists/use-filtered-list";
import { moment, personName, plural } from "../model/when";
import { useAnnounce } from "../parts/announcer";
import { ProblemNotice } from "../parts/problem-notice";
import { useAct } from "../parts/use-act";
import { Link, studyAddress } from "../router";
import { tellAlertsChanged } from "./alerts-changed";
import { REJECTION_FILTER } from "./filters";

/** What rejection notes of other systems ask for, above all those that wait for a person. */
export function RejectionsPage({ query }: { query: URLSearchParams }) {
  const { pages, filter, change, rows } = useFilteredList(query, REJECTION_FILTER, rejections);
  return (
    <ListPage
      title="Rejections received"
      pages={pages}
      counted={(count) => plural(count, "rejection")}
      lead="Rejection notes of systems that may not reject by themselves. What they name stays in use until somebody accepts them."
      bar={
        <form className="filter-bar" onSubmit={(event) => event.preventDefault()}>
          <ChoiceField
            label="Show"
            value={filter.state}
            testid="rejection-state-filter"
            onChange={(state) => change({ state })}
          >
            <option value="waiting">Waiting</option>
            <option value="all">All</option>
          </ChoiceField>
        </form>
      }
      nothing={
        <div className="empty" data-testid="no-rejections">
          <h2>{filter.state === "waiting" ? "No rejection waits" : "No rejection was received"}</h2>
          <p>
            Rejection notes (IHE IOCM) of peers without the right <code>reject</code> would be here, for you to accept
            or dismiss.
          </p>
        </div>
      }
      testids={{ count: "rejection-count", more: "more-rejections" }}
      rows={rows}
    >
      <ul className="records" data-testid="rejection-list">
        {pages.items.map((rejection) => (
          <RejectionRow key={rejection.id} listed={rejection} />
        ))}
      </ul>
    </ListPage>
  );
}

/** The title for patient safety (PS3.16 CID 7011). */
const SAFETY = "113037";

const BADGES: Record<Rejection["state"], string> = {
  waiting: "badge-warning",
  "in force": "badge-info",
  refused: "",
  undone: "",
};

const NAMES: Record<Rejection["state"], string> = {
  waiting: "waits",
  "in force": "in force",
  refused: "dismissed",
  undone: "undone",
};

function RejectionRow({ listed }: { listed: Rejection }) {
  const [decided, setDecided] = useState<Rejection | null>(null);
  const [asked, setAsked] = useState<"accept" | "refuse" | null>(null);
  const [named, setNamed] = useState<RejectedInstance[] | null>(null);
  const reading = useAct();
  const deciding = useAct();
  const announce = useAnnounce();
  const rejection = decided ?? listed;
  const decide = async (reason: string, who: string) => {
    if (!asked) return;
    const done = await deciding.run(async () =>
      setDecided(await decideRejection(rejection.id, asked, reason, who)),
    );
    if (!done) return;
    announce(asked === "accept" ? "Accepted" : "Dismissed");
    tellAlertsChanged();
    setAsked(null);
  };
  const sender = rejection.by?.name || rejection.by?.address || "an unnamed sender";
  return (
    <li className="record" data-testid="rejection-row">
      <div className="record-head">
        <span className={`badge ${BADGES[rejection.state]}`} data-testid="rejection-state">
          {NAMES[rejection.state]}
        </span>
        {rejection.title.value === SAFETY && <span className="badge badge-error">patient safety</span>}
        <strong>{rejection.title.meaning || rejection.title.value}</strong>
        <span>{plural(rejection.instances, "instance")}</span>
        <span dir="auto">from {sender}</span>
        <time dateTime={rejection.made_at}>{moment(rejection.made_at)}</time>
        {rejection.study_instance_uid && (
          <Link href={studyAddress(rejection.study_instance_uid)}>Open the study</Link>
        )}
      </div>
      {rejection.text && <p dir="auto">{rejection.text}</p>}
      {rejection.spared > 0 && (
        <p className="quiet">
          It has no effect on {plural(rejection.spared, "instance")} that it names: see below why.
        </p>
      )}
      {rejection.decided_at && (
        <p className="quiet" dir="auto">
          Decided {moment(rejection.decided_at)}
          {rejection.decided_by?.name ? ` by ${personName(rejection.decided_by.name)}` : ""}: {rejection.decided_because}
        </p>
      )}
      {rejection.state === "waiting" && (
        <div className="act-bar">
          <button
            type="button"
            className="button"
            onClick={() => setAsked("accept")}
            data-testid="rejection-accept"
          >
            Accept…
          </button>
          <button
            type="button"
            className="button"
            onClick={() => setAsked("refuse")}
            data-testid="rejection-dismiss"
          >
            Dismiss…
          </button>
        </div>
      )}
      <details
        onToggle={(event) => {
          if (event.currentTarget.open && !named)
            void reading.run(async () => setNamed((await readRejection(rejection.id)).items));
        }}
      >
        <summary>What it names</summary>
        {reading.problem && <ProblemNotice problem={reading.problem} />}
        {named && (
          <ul className="history">
            {named.map(({ sop_instance_uid: uid, standing, spared }) => (
              <li key={uid}>
                <code className="uid">{uid}</code>{" "}
                <span className="quiet">
                  {standing ?? "not here"}
                  {spared && `: ${spared}`}
                </span>
              </li>
            ))}
          </ul>
        )}
      </details>
      {asked && (
        <ReasonDialog
          title={asked === "accept" ? "Accept this rejection?" : "Dismiss this rejection?"}
          testid="decide-dialog"
          confirm={asked === "accept" ? "Accept" : "Dismiss"}
          working={deciding.working}
          problem={deciding.problem}
          onClose={() => {
            deciding.clear();
            setAsked(null);
          }}
          onConfirm={(reason, who) => void decide(reason, who)}
        >
          <p>
            {asked === "accept"
              ? `What it names (${plural(rejection.instances, "instance")}) goes out of use, as if its sender had been allowed to reject.`
              : "It ends, and what it names stays as it is. Whoever has sent it is not told."}
          </p>
        </ReasonDialog>
      )}
    </li>
  );
}

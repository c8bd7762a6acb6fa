import { useState } from "react";
import { endHold, type Hold, holds } from "../api/retention";
import { may } from "../api/session";
import { ReasonDialog } from "../dialogs/reason-dialog";
import { ListPage } from "../lists/list-page";
import { usePages } from "../lists/use-pages";
import { moment, plural } from "../model/when";
import { useAnnounce } from "../parts/announcer";
import { useAct } from "../parts/use-act";
import { Link, studyAddress } from "../router";
import type { ViewProps } from "./view-props";

/** What keeps bytes from being removed, who has placed it, and why. */
export function HoldsView({ bar }: ViewProps) {
  const pages = usePages(holds);
  return (
    <ListPage
      title="Holds"
      pages={pages}
      counted={(count) => plural(count, "hold")}
      lead="While a hold is in force, nothing of it is evicted, expires or is purged, whatever comes to it later."
      bar={bar}
      nothing={
        <div className="empty" data-testid="no-holds">
          <h2>No holds</h2>
          <p>Place one from the page of a study, or with kinote retention hold.</p>
        </div>
      }
      testids={{ count: "hold-count", more: "more-holds" }}
    >
      <ul className="records" data-testid="hold-list">
        {pages.items.map((hold) => (
          <HoldRow key={hold.id} hold={hold} onEnded={pages.restart} />
        ))}
      </ul>
    </ListPage>
  );
}

function HoldRow({ hold, onEnded }: { hold: Hold; onEnded: () => void }) {
  const [isEnding, setIsEnding] = useState(false);
  const { working, problem, run, clear } = useAct();
  const announce = useAnnounce();
  const close = () => {
    setIsEnding(false);
    clear();
  };
  const end = async (reason: string, who: string) => {
    const done = await run(async () => {
      await endHold(hold.id, reason, who);
      announce(`Hold ${hold.id} is ended.`);
    });
    if (!done) return;
    close();
    onEnded();
  };
  return (
    <li className="record" data-testid="hold-row" data-hold={hold.id}>
      <div className="record-head">
        <span className="badge">{hold.kind}</span>
        {hold.study ? <Link href={studyAddress(hold.study)}>{hold.on}</Link> : <strong dir="auto">{hold.on}</strong>}
        {!hold.in_force && <span className="badge badge-info">its time is over</span>}
      </div>
      <p dir="auto">{hold.reason}</p>
      <p className="quiet">
        Placed {moment(hold.placed_at)}
        {hold.placed_by && ` by ${hold.placed_by}`}
        {hold.until && `, until ${moment(hold.until)}`}
      </p>
      {may("hold") && (
        <div className="act-bar">
          <button type="button" className="button" onClick={() => setIsEnding(true)} data-testid="end-hold">
            End the hold
          </button>
        </div>
      )}
      {isEnding && (
        <ReasonDialog
          title="End this hold?"
          testid="end-hold-dialog"
          confirm="End the hold"
          keep="Keep it"
          working={working}
          problem={problem}
          onClose={close}
          onConfirm={(reason, who) => void end(reason, who)}
        >
          <p>What no other hold keeps may be evicted, expire or be purged from now on.</p>
        </ReasonDialog>
      )}
    </li>
  );
}

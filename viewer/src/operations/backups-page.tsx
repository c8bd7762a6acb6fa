import { useCallback, useEffect, useState } from "react";
import { type Backup, backups, makeBackup } from "../api/operations";
import { may } from "../api/session";
import { ListPage } from "../lists/list-page";
import { usePages } from "../lists/use-pages";
import { bytes, moment, plural } from "../model/when";
import { useAnnounce } from "../parts/announcer";
import { ProblemNotice } from "../parts/problem-notice";
import { useAct } from "../parts/use-act";

/** Milliseconds after which a backup that is being made is looked at again. */
const LOOK_AGAIN = 2000;

const BADGES: Record<Backup["state"], string> = { running: "", good: "", failed: "badge-error" };

/** The backups: when the last good one was made, which there are, and a way to make one now. */
export function BackupsPage() {
  const [lastGood, setLastGood] = useState<Backup | null>(null);
  const [warning, setWarning] = useState<string | null>(null);
  const fetchPage = useCallback(async (cursor: string | null, signal: AbortSignal) => {
    const page = await backups(cursor, signal);
    setLastGood(page.last_good);
    setWarning(page.warning);
    return page;
  }, []);
  const pages = usePages(fetchPage);
  const { working, problem, run } = useAct();
  const announce = useAnnounce();
  const { restart, items } = pages;
  const isRunning = items.some(({ state }) => state === "running");
  // Each reading gives other items, and so begins to wait anew.
  useEffect(() => {
    if (!items.some(({ state }) => state === "running")) return;
    const timer = setTimeout(restart, LOOK_AGAIN);
    return () => clearTimeout(timer);
  }, [items, restart]);
  const make = async () => {
    const done = await run(async () => {
      await makeBackup();
      announce("A backup is being made");
    });
    if (done) restart();
  };
  return (
    <ListPage
      title="Backups"
      pages={pages}
      counted={(count) => plural(count, "backup")}
      lead="Copies of the index, of notes and small objects, and if it is set of the images, into a folder on another disk."
      bar={
        <>
          {!pages.starting && (
            <p data-testid="last-good-backup">
              {lastGood
                ? `The last good backup was made ${moment(lastGood.ended_at ?? lastGood.begun_at)}.`
                : "There is no good backup yet."}
            </p>
          )}
          {warning && (
            <p className="notice notice-bad" role="alert" data-testid="backup-warning">
              {warning}
            </p>
          )}
          {problem && <ProblemNotice problem={problem} />}
          {may("operate") && (
            <div className="act-bar">
              <button
                type="button"
                className="button"
                aria-disabled={working || isRunning}
                onClick={() => working || isRunning || void make()}
                data-testid="make-backup"
              >
                {isRunning ? "A backup is being made" : "Make a backup now"}
              </button>
            </div>
          )}
        </>
      }
      nothing={
        <div className="empty" data-testid="no-backups">
          <h2>No backup was made</h2>
          <p>Set the folder for them (backup_folder), on another disk.</p>
        </div>
      }
      testids={{ count: "backup-count", more: "more-backups" }}
    >
      {items.length > 0 && (
        <table className="record-table" data-testid="backup-list">
          <thead>
            <tr>
              {["Begun", "State", "Asked by", "Size", "Where"].map((name) => (
                <th scope="col" key={name}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {items.map((each) => (
              <tr key={each.id} data-testid="backup-row">
                <th scope="row">
                  <time dateTime={each.begun_at}>{moment(each.begun_at)}</time>
                </th>
                <td data-label="State">
                  <span className={`badge ${BADGES[each.state]}`} data-testid="backup-state">
                    {each.state}
                  </span>{" "}
                  {stage(each)}
                </td>
                <td data-label="Asked by" dir="auto">
                  {each.asked_by ?? "the schedule"}
                </td>
                <td data-label="Size">{each.bytes ? bytes(each.bytes) : ""}</td>
                <td data-label="Where">
                  <code>{each.folder ?? ""}</code>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </ListPage>
  );
}

/** How far it has come, or why it has failed. */
function stage({ state, step, done, total, reason }: Backup): string {
  if (state !== "running") return reason ?? "";
  if (!step) return "";
  return total ? `${step}: ${done} of ${total}` : step;
}

import { useState } from "react";
import { alerts, type SentTest, sendTestMessage } from "../api/operations";
import { ChoiceField } from "../lists/filter-fields";
import { ListPage } from "../lists/list-page";
import { useFilteredList } from "../lists/use-filtered-list";
import { loadAuthor, saveAuthor } from "../model/draft-store";
import { plural } from "../model/when";
import { ProblemNotice } from "../parts/problem-notice";
import { useAct } from "../parts/use-act";
import { AlertRow } from "./alert-row";
import { tellAlertsChanged } from "./alerts-changed";
import { ALERT_FILTER } from "./filters";

/** What needs a person: see what is wrong, say that you see to it, let it wait. */
export function AlertsPage({ query }: { query: URLSearchParams }) {
  const { pages, filter, change, rows } = useFilteredList(query, ALERT_FILTER, alerts);
  const [who, setWho] = useState(loadAuthor);
  return (
    <ListPage
      title="Alerts"
      pages={pages}
      counted={(count) => plural(count, "alert")}
      lead="What needs a person. An alert is cleared when what is wrong has ended, and by nothing else."
      bar={
        <>
          <form className="filter-bar" onSubmit={(event) => event.preventDefault()}>
            <ChoiceField
              label="Show"
              value={filter.state}
              testid="alert-state-filter"
              onChange={(state) => change({ state })}
            >
              <option value="open">Open</option>
              <option value="cleared">Cleared</option>
              <option value="all">All</option>
            </ChoiceField>
            <button
              type="button"
              className="button"
              onClick={() => {
                pages.restart();
                tellAlertsChanged();
              }}
              data-testid="alerts-refresh"
            >
              Refresh
            </button>
            <label className="field-inline">
              <span>Your name</span>
              <input
                type="text"
                autoComplete="name"
                placeholder="Who acts"
                value={who}
                onChange={({ target: { value } }) => {
                  saveAuthor(value.trim());
                  setWho(value);
                }}
                data-testid="alerts-who"
              />
            </label>
            <TestMessage />
          </form>
        </>
      }
      nothing={
        <div className="empty" data-testid="no-alerts">
          <h2>{filter.state === "open" ? "Nothing needs you" : "No alerts"}</h2>
          <p>
            Full disks, damaged files, dead jobs, rejections that wait and the like would be here. The server looks
            every 30 seconds.
          </p>
        </div>
      }
      testids={{ count: "alert-count", more: "more-alerts" }}
      rows={rows}
    >
      <ul className="records" data-testid="alert-list">
        {pages.items.map((alert) => (
          <AlertRow key={alert.id} listed={alert} />
        ))}
      </ul>
    </ListPage>
  );
}

/** Sends a test message by mail and webhook, and says what came of it. */
function TestMessage() {
  const [sent, setSent] = useState<SentTest[] | null>(null);
  const { working, problem, run } = useAct();
  return (
    <>
      <button
        type="button"
        className="button"
        aria-disabled={working}
        onClick={() => working || void run(async () => setSent((await sendTestMessage()).items))}
        data-testid="alert-test"
      >
        {working ? "Sending…" : "Send a test message"}
      </button>
      {problem && <ProblemNotice problem={problem} />}
      {sent && (
        <ul className="sent-tests" aria-live="polite" data-testid="alert-test-result">
          {sent.length === 0 && (
            <li className="quiet">Alerts reach nobody: neither mails nor webhooks are set in the settings.</li>
          )}
          {sent.map(({ channel, sent: wasSent, sentence }) => (
            <li key={channel}>
              <span className={`badge ${wasSent ? "badge-info" : "badge-error"}`}>
                {channel}: {wasSent ? "sent" : "not sent"}
              </span>{" "}
              {sentence}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

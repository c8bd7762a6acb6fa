import { useState } from "react";
import { undoWithdrawal, withdrawals, withdrawalsCsv } from "../api/client";
import type { Withdrawal, WithdrawalFilter } from "../api/contract";
import { asProblem, type Problem } from "../api/problem";
import { may, signedIn } from "../api/session";
import { FilterBar } from "../lists/filter-bar";
import { ChoiceField, DayField, TextField } from "../lists/filter-fields";
import { ListPage } from "../lists/list-page";
import { type FilteredList, useFilteredList } from "../lists/use-filtered-list";
import { loadAuthor } from "../model/draft-store";
import { moment, personName, plural } from "../model/when";
import { useAnnounce } from "../parts/announcer";
import { ProblemNotice } from "../parts/problem-notice";
import { WaitingWithdrawals } from "./waiting-withdrawals";
import { WITHDRAWAL_FILTER } from "./withdrawal-filter";

/** What was taken out of use, by whom and why; it can be exported, and undone as long as that is possible. */
export function WithdrawalsPage({ query }: { query: URLSearchParams }) {
  const list = useFilteredList(query, WITHDRAWAL_FILTER, withdrawals);
  const { pages, filter, isFiltered, rows } = list;
  return (
    <ListPage
      title="Withdrawals"
      pages={pages}
      counted={(count) => plural(count, "withdrawal")}
      lead={
        <>
          What was taken out of use. Others are told when the time to undo it has passed.{" "}
          <a href={withdrawalsCsv(filter)} download data-testid="withdrawals-csv">
            Export as CSV
          </a>
        </>
      }
      bar={
        <>
          {signedIn() && <WaitingWithdrawals onDecided={pages.restart} />}
          <WithdrawalBar list={list} />
        </>
      }
      nothing={
        <div className="empty" data-testid="no-withdrawals">
          <h2>{isFiltered ? "No withdrawal matches" : "Nothing has been withdrawn"}</h2>
        </div>
      }
      testids={{ count: "withdrawal-count", more: "more-withdrawals" }}
      rows={rows}
    >
      <ul className="records" data-testid="withdrawal-list">
        {pages.items.map((withdrawal) => (
          <WithdrawalRow key={withdrawal.id} listed={withdrawal} />
        ))}
      </ul>
    </ListPage>
  );
}

const ACTS = [
  "revised",
  "withdrawn by author",
  "note withdrawn",
  "wrong patient",
  "wrong order",
  "quality",
  "safety",
  "retention expired",
  "other copy chosen",
  "replaced by another copy",
  "rejection undone",
  "after restore",
];

function WithdrawalBar({ list }: { list: FilteredList<WithdrawalFilter, Withdrawal> }) {
  const { filter, isFiltered, change, search, toFirstRow } = list;
  return (
    <FilterBar
      text={filter.text}
      label="Search reasons of withdrawals"
      hint="Part of a reason"
      isFiltered={isFiltered}
      search={search}
      testids={{ search: "withdrawal-search", clear: "withdrawal-filter-clear" }}
      onText={(text) => change({ text })}
      onClear={() => change(WITHDRAWAL_FILTER.none)}
      onArrowDown={toFirstRow}
    >
      <ChoiceField
        label="Act"
        value={filter.act}
        testid="withdrawal-act-filter"
        onChange={(act) => change({ act })}
      >
        <option value="">Any</option>
        {ACTS.map((act) => (
          <option key={act} value={act}>
            {act}
          </option>
        ))}
      </ChoiceField>
      <TextField
        label="Who"
        hint="Part of a name"
        value={filter.who}
        testid="withdrawal-who-filter"
        onChange={(who) => change({ who })}
      />
      <DayField
        label="From"
        value={filter.from}
        max={filter.to}
        testid="withdrawal-from-filter"
        onChange={(from) => change({ from })}
      />
      <DayField
        label="To"
        value={filter.to}
        min={filter.from}
        testid="withdrawal-to-filter"
        onChange={(to) => change({ to })}
      />
    </FilterBar>
  );
}

const BADGES: Record<Withdrawal["state"], [string, string]> = {
  open: ["badge-warning", "can be undone unseen"],
  closed: ["", "told"],
  undone: ["badge-info", "undone"],
};

/** One's own withdrawals, or anybody's. */
const mayUndo = (withdrawal: Withdrawal) =>
  may("withdraw") && (may("withdraw-others") || withdrawal.by?.name === signedIn()?.login);

function WithdrawalRow({ listed }: { listed: Withdrawal }) {
  const [undone, setUndone] = useState<Withdrawal | null>(null);
  const [working, setWorking] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const announce = useAnnounce();
  const withdrawal = undone ?? listed;
  const [badge, state] = BADGES[withdrawal.state];

  const undo = async () => {
    setWorking(true);
    setProblem(null);
    try {
      setUndone(await undoWithdrawal(withdrawal.id, loadAuthor()));
      announce("Taken back into use");
    } catch (thrown) {
      setProblem(asProblem(thrown));
    }
    setWorking(false);
  };

  return (
    <li className="record" data-testid="withdrawal-row">
      <div className="record-head">
        <span className={`badge ${badge}`} data-testid="withdrawal-state">
          {state}
        </span>
        <strong>{withdrawal.act}</strong>
        <span>{plural(withdrawal.instances, "instance")}</span>
        {withdrawal.effect === "marked" && <span>only marked</span>}
        {withdrawal.received && <span>received</span>}
        {withdrawal.by?.name && <span dir="auto">by {personName(withdrawal.by.name)}</span>}
        {withdrawal.confirmed_by?.name && (
          <span dir="auto">confirmed by {personName(withdrawal.confirmed_by.name)}</span>
        )}
        <time dateTime={withdrawal.made_at}>{moment(withdrawal.made_at)}</time>
        {withdrawal.can_be_undone && mayUndo(withdrawal) && (
          <button
            type="button"
            className="button"
            data-row
            aria-label={`Undo withdrawal ${withdrawal.id}`}
            aria-disabled={working}
            onClick={() => working || void undo()}
            data-testid="withdrawal-undo"
          >
            Undo
          </button>
        )}
      </div>
      <p dir="auto">{withdrawal.text || withdrawal.reason.meaning}</p>
      {withdrawal.undone_at && (
        <p className="quiet">
          Undone {moment(withdrawal.undone_at)}
          {withdrawal.undone_by?.name ? ` by ${personName(withdrawal.undone_by.name)}` : ""}
        </p>
      )}
      {withdrawal.purged_sentence && <p className="quiet">{withdrawal.purged_sentence}</p>}
      {!withdrawal.can_be_undone && withdrawal.state !== "undone" && (
        <p className="quiet">{withdrawal.why_not_undoable}</p>
      )}
      {problem && <ProblemNotice problem={problem} />}
    </li>
  );
}

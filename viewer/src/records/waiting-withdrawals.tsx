import { useCallback, useId, useState } from "react";
import { decideWithdrawalRequest, withdrawalRequest, withdrawalRequests } from "../api/client";
import type { WithdrawalRequest } from "../api/contract";
import { asProblem, type Problem } from "../api/problem";
import { may, signedIn } from "../api/session";
import { ConfirmDialog } from "../dialogs/confirm-dialog";
import { MoreButton } from "../lists/more-button";
import { usePages } from "../lists/use-pages";
import { moment, personName, plural } from "../model/when";
import { useAnnounce } from "../parts/announcer";
import { ProblemNotice } from "../parts/problem-notice";

/** Withdrawals that wait for a second person. Nothing of them is withdrawn yet. */
export function WaitingWithdrawals({ onDecided }: { onDecided: () => void }) {
  const heading = useId();
  const fetchPage = useCallback(
    (cursor: string | null, signal: AbortSignal) => withdrawalRequests(cursor, signal),
    [],
  );
  const pages = usePages(fetchPage);
  if (pages.items.length === 0 && !pages.problem) return null;
  const decided = () => {
    pages.restart();
    onDecided();
  };
  return (
    <section aria-labelledby={heading} data-testid="waiting-withdrawals">
      <h2 id={heading}>Waiting for a second person</h2>
      {pages.problem && <ProblemNotice problem={pages.problem} onRetry={pages.retry} />}
      <ul className="records">
        {pages.items.map((request) => (
          <WaitingRow key={request.id} request={request} onDecided={decided} />
        ))}
      </ul>
      <MoreButton pages={pages} testid="more-waiting-withdrawals" />
    </section>
  );
}

function WaitingRow({ request, onDecided }: { request: WithdrawalRequest; onDecided: () => void }) {
  const [seen, setSeen] = useState<WithdrawalRequest | null>(null);
  const [working, setWorking] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const announce = useAnnounce();
  const isOwn = request.asked_by?.name === signedIn()?.login;

  const run = async (work: () => Promise<void>) => {
    setWorking(true);
    setProblem(null);
    try {
      await work();
    } catch (thrown) {
      setProblem(asProblem(thrown));
    }
    setWorking(false);
  };
  const decide = (decision: "confirm" | "refuse") =>
    run(async () => {
      await decideWithdrawalRequest(request.id, decision);
      announce(decision === "confirm" ? "Withdrawn" : "Refused; nothing is withdrawn");
      setSeen(null);
      onDecided();
    });
  const look = () => run(async () => setSeen(await withdrawalRequest(request.id)));

  return (
    <li className="record" data-testid="waiting-withdrawal">
      <div className="record-head">
        <span className="badge badge-warning">not withdrawn yet</span>
        <strong>{request.act}</strong>
        <span>{plural(request.instances, "instance")}</span>
        {request.asked_by?.name && <span dir="auto">by {personName(request.asked_by.name)}</span>}
        <time dateTime={request.asked_at}>{moment(request.asked_at)}</time>
        {may("withdraw-others") && !isOwn && (
          <button
            type="button"
            className="button"
            aria-label={`Confirm withdrawal request ${request.id}`}
            aria-disabled={working}
            onClick={() => working || void look()}
            data-testid="waiting-confirm"
          >
            Confirm…
          </button>
        )}
        {may("withdraw-others") && (
          <button
            type="button"
            className="button"
            aria-label={`${isOwn ? "Take back" : "Refuse"} withdrawal request ${request.id}`}
            aria-disabled={working}
            onClick={() => working || void decide("refuse")}
            data-testid="waiting-refuse"
          >
            {isOwn ? "Take back" : "Refuse"}
          </button>
        )}
      </div>
      <p dir="auto">{request.text}</p>
      <p className="quiet">
        {isOwn ? "Another person has to confirm it" : "It can be confirmed"} until {moment(request.expires_at)}.
      </p>
      {problem && <ProblemNotice problem={problem} />}
      {seen && (
        <ConfirmDialog
          title="Confirm this withdrawal?"
          testid="confirm-withdrawal-dialog"
          keep="Not now"
          confirm={working ? "Withdrawing…" : "Withdraw"}
          confirmTestid="confirm-withdrawal"
          ready={!working && seen.means != null}
          onClose={() => setSeen(null)}
          onConfirm={() => void decide("confirm")}
        >
          <p dir="auto">{request.text}</p>
          {seen.means ? (
            <>
              <p>
                {plural(seen.means.withdrawn, "instance")} will be withdrawn ({request.act}). Others are told, and
                never accept them again.
              </p>
              <ul>
                {seen.means.studies.map((study) => (
                  <li key={study.study_instance_uid} dir="auto">
                    {personName(study.patient_name)} ({study.patient_id}): {plural(study.instances, "instance")}
                  </li>
                ))}
              </ul>
            </>
          ) : (
            <p>Nothing of it is in use any more. Refuse it.</p>
          )}
          {problem && <ProblemNotice problem={problem} />}
        </ConfirmDialog>
      )}
    </li>
  );
}

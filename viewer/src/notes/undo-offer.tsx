import type { Withdrawal } from "../api/contract";
import type { Problem } from "../api/problem";
import { clock, moment } from "../model/when";
import { ProblemNotice } from "../parts/problem-notice";

interface UndoOfferProps {
  title: string;
  withdrawal: Pick<Withdrawal, "closes_at">;
  working: boolean;
  problem: Problem | null;
  onUndo: () => void;
  onClose: () => void;
}

/** Right after a note was withdrawn: it can be taken back, as long as nobody has been told. */
export function UndoOffer({ title, withdrawal, working, problem, onUndo, onClose }: UndoOfferProps) {
  return (
    <div className="undo-offer" role="group" aria-label="Undo the withdrawal" data-testid="undo-offer">
      <p>
        Withdrew “{title}”. Nobody is told before {clock(moment(withdrawal.closes_at).slice(-5))}.
      </p>
      <div className="record-head">
        <button
          type="button"
          className="button"
          aria-disabled={working}
          onClick={() => working || onUndo()}
          data-testid="undo-withdrawal"
        >
          Undo
        </button>
        <button type="button" className="button plain" onClick={onClose} data-testid="undo-dismiss">
          Dismiss
        </button>
      </div>
      {problem && <ProblemNotice problem={problem} />}
    </div>
  );
}

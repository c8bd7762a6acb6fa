import { useState } from "react";
import { type HoldKind, holdStudy } from "../api/retention";
import { may } from "../api/session";
import { ReasonDialog } from "../dialogs/reason-dialog";
import { ChoiceField } from "../lists/filter-fields";
import { useAnnounce } from "../parts/announcer";
import { useAct } from "../parts/use-act";

/** Places a hold on a study, for those who may. */
export function HoldStudy({ study }: { study: string }) {
  const [isOpen, setIsOpen] = useState(false);
  const [kind, setKind] = useState<HoldKind>("legal");
  const { working, problem, run, clear } = useAct();
  const announce = useAnnounce();
  if (!may("hold")) return null;
  const close = () => {
    setIsOpen(false);
    clear();
  };
  const place = async (reason: string, who: string) => {
    const done = await run(async () => {
      const placed = await holdStudy(study, kind, reason, who);
      announce(`Hold ${placed.id} is placed: the bytes of this study stay.`);
    });
    if (done) close();
  };
  return (
    <>
      <button type="button" className="button" onClick={() => setIsOpen(true)} data-testid="hold-study">
        Hold…
      </button>
      {isOpen && (
        <ReasonDialog
          title="Place a hold on this study?"
          testid="hold-dialog"
          confirm="Place the hold"
          keep="Do not"
          harmless
          working={working}
          problem={problem}
          onClose={close}
          onConfirm={(reason, who) => void place(reason, who)}
        >
          <p>Nothing of the study is removed until a person ends the hold, also of what comes to it later.</p>
          <ChoiceField label="Kind" value={kind} testid="hold-kind" onChange={(value) => setKind(value as HoldKind)}>
            <option value="legal">legal</option>
            <option value="research">research</option>
            <option value="teaching">teaching</option>
          </ChoiceField>
        </ReasonDialog>
      )}
    </>
  );
}

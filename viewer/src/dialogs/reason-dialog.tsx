import { type KeyboardEvent, type ReactNode, useId, useState } from "react";
import type { Problem } from "../api/problem";
import { loadAuthor, saveAuthor } from "../model/draft-store";
import { ProblemNotice } from "../parts/problem-notice";
import { ConfirmDialog } from "./confirm-dialog";

interface ReasonDialogProps {
  title: string;
  testid: string;
  confirm: string;
  keep?: string;
  working: boolean;
  problem: Problem | null;
  harmless?: boolean;
  /** Whether everything else is there that confirming needs. */
  ready?: boolean;
  onClose: () => void;
  onConfirm: (reason: string, who: string) => void;
  children?: ReactNode;
}

/** Asks why something is to be done, and who does it. */
export function ReasonDialog(props: ReasonDialogProps) {
  const { title, testid, confirm, keep = "Leave it", working, problem, harmless, ready = true, onClose, onConfirm } = props;
  const [reason, setReason] = useState("");
  const [who, setWho] = useState(loadAuthor);
  const id = useId();
  const isReady = ready && reason.trim() !== "" && who.trim() !== "" && !working;
  const done = () => {
    if (!isReady) return;
    saveAuthor(who.trim());
    onConfirm(reason.trim(), who.trim());
  };
  const onEnter = (event: KeyboardEvent) => event.key === "Enter" && done();
  return (
    <ConfirmDialog
      title={title}
      testid={testid}
      keep={keep}
      confirm={working ? "Working…" : confirm}
      confirmTestid={`${testid}-confirm`}
      ready={isReady}
      harmless={harmless ?? false}
      onClose={onClose}
      onConfirm={done}
    >
      {props.children}
      <div className="field">
        <label htmlFor={id}>Reason</label>
        <input
          id={id}
          type="text"
          value={reason}
          maxLength={1000}
          onChange={(event) => setReason(event.target.value)}
          onKeyDown={onEnter}
          data-first
          data-testid={`${testid}-reason`}
        />
      </div>
      <div className="field">
        <label htmlFor={`${id}-who`}>Your name</label>
        <input
          id={`${id}-who`}
          type="text"
          autoComplete="name"
          value={who}
          onChange={(event) => setWho(event.target.value)}
          onKeyDown={onEnter}
          data-testid={`${testid}-who`}
        />
      </div>
      {problem && <ProblemNotice problem={problem} />}
    </ConfirmDialog>
  );
}

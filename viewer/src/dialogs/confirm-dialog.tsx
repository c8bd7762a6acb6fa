import type { ReactNode } from "react";
import { Dialog } from "./dialog";

interface ConfirmDialogProps {
  title: string;
  testid: string;
  /** What the button says that leaves everything as it is. */
  keep: string;
  /** What the button says that does what cannot be undone. */
  confirm: string;
  confirmTestid: string;
  /** Whether what is confirmed destroys nothing. */
  harmless?: boolean;
  /** Whether everything is there that confirming needs. */
  ready?: boolean;
  onClose: () => void;
  onConfirm: () => void;
  children: ReactNode;
}

/** A question asked before something is done. */
export function ConfirmDialog(props: ConfirmDialogProps) {
  const { title, testid, keep, confirm, confirmTestid, ready = true, harmless, onClose, onConfirm, children } = props;
  return (
    <Dialog
      title={title}
      testid={testid}
      onClose={onClose}
      actions={
        <>
          <button type="button" className="button" onClick={onClose}>
            {keep}
          </button>
          <button
            type="button"
            className={harmless ? "button primary" : "button danger-primary"}
            disabled={!ready}
            onClick={onConfirm}
            data-testid={confirmTestid}
          >
            {confirm}
          </button>
        </>
      }
    >
      {children}
    </Dialog>
  );
}

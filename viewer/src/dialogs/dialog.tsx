import { type ReactNode, useEffect, useId, useRef } from "react";
import { Cross } from "../parts/icons";

interface DialogProps {
  title: string;
  testid: string;
  onClose: () => void;
  children: ReactNode;
  actions?: ReactNode;
}

/** A modal dialog: the browser keeps the focus inside, Escape closes, and the focus returns where it was. */
export function Dialog({ title, testid, onClose, children, actions }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const name = useId();
  useEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog?.showModal();
    dialog?.querySelector<HTMLElement>("[data-first]")?.focus();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      className="dialog"
      aria-labelledby={name}
      data-testid={testid}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <div className="dialog-head">
        <h2 id={name}>{title}</h2>
        <button type="button" className="icon-button" aria-label="Close" onClick={onClose}>
          <Cross />
        </button>
      </div>
      <div className="dialog-body">{children}</div>
      {actions && <div className="dialog-actions">{actions}</div>}
    </dialog>
  );
}

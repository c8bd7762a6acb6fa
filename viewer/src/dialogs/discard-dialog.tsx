import { ConfirmDialog } from "./confirm-dialog";

interface DiscardDialogProps {
  onDiscard: () => void;
  onClose: () => void;
}

/** Asked before something takes the place of a draft that is not saved. */
export function DiscardDialog({ onDiscard, onClose }: DiscardDialogProps) {
  return (
    <ConfirmDialog
      title="Discard what you have written?"
      testid="discard-dialog"
      keep="Keep writing"
      confirm="Discard"
      confirmTestid="discard-confirm"
      onClose={onClose}
      onConfirm={onDiscard}
    >
      <p>The draft of this study has not been saved.</p>
    </ConfirmDialog>
  );
}

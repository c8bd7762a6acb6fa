import type { Note } from "../api/contract";
import type { Draft } from "../model/draft";
import { titleText } from "../model/titles";
import { moment, personName, plural } from "../model/when";
import { Dialog } from "./dialog";

interface ConflictDialogProps {
  draft: Draft;
  theirs: Note;
  onOverwrite: () => void;
  onTakeTheirs: () => void;
  onClose: () => void;
}

/** Somebody else revised the note meanwhile: which one shall stand? */
export function ConflictDialog({ draft, theirs, onOverwrite, onTakeTheirs, onClose }: ConflictDialogProps) {
  return (
    <Dialog
      title="This note was revised by somebody else"
      testid="conflict-dialog"
      onClose={onClose}
      actions={
        <>
          <button type="button" className="button" onClick={onTakeTheirs} data-testid="conflict-theirs">
            Drop mine, keep theirs
          </button>
          <button
            type="button"
            className="button primary"
            onClick={onOverwrite}
            data-testid="conflict-overwrite"
          >
            Save mine over theirs
          </button>
        </>
      }
    >
      <p>
        While you were writing, version {theirs.version} was saved. Close this to go on editing; nothing is
        lost.
      </p>
      <div className="compare">
        <section>
          <h3>Yours</h3>
          <Summary
            title={titleText(draft.title)}
            description={draft.description}
            images={draft.references.length}
          />
        </section>
        <section>
          <h3>Theirs</h3>
          <Summary
            title={titleText(theirs.title)}
            description={theirs.description ?? ""}
            images={theirs.references.length}
          />
          <p className="quiet">
            {[personName(theirs.author?.name), moment(theirs.created)].filter(Boolean).join(" · ")}
          </p>
        </section>
      </div>
    </Dialog>
  );
}

function Summary({ title, description, images }: { title: string; description: string; images: number }) {
  return (
    <>
      <p>
        <strong>{title}</strong>
      </p>
      <p dir="auto">{description || "No description"}</p>
      <p className="quiet">{plural(images, "image")}</p>
    </>
  );
}

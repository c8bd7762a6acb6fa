// The draft of a study: kept in the browser until it is saved or discarded.
import { type Dispatch, useEffect, useReducer } from "react";
import { type Draft, type DraftAction, draftReducer, emptyDraft, isOpen, isUnsaved } from "../model/draft";
import { keepDraft, loadAuthor, loadDraft } from "../model/draft-store";

export function useDraft(study: string): [Draft, Dispatch<DraftAction>] {
  const [draft, dispatch] = useReducer(
    draftReducer,
    study,
    (uid) => loadDraft(uid) ?? emptyDraft(loadAuthor()),
  );
  useEffect(() => keepDraft(study, isOpen(draft) ? draft : null), [study, draft]);
  const unsaved = isUnsaved(draft);
  useEffect(() => {
    if (!unsaved) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [unsaved]);
  return [draft, dispatch];
}

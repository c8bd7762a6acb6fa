// Unsaved drafts and the author's name, kept in the browser.
import type { Draft } from "./draft";

const AUTHOR = "kinote.author";
const draftKey = (study: string) => `kinote.draft.${study}`;

// A browser may refuse storage (private windows, a full disk); the viewer works on without it.
function attempt<Result>(work: () => Result, otherwise: Result): Result {
  try {
    return work();
  } catch {
    return otherwise;
  }
}

export const loadAuthor = () => attempt(() => localStorage.getItem(AUTHOR) ?? "", "");
export const saveAuthor = (name: string) => attempt(() => localStorage.setItem(AUTHOR, name), undefined);

export function draftFrom(text: string | null): Draft | null {
  if (!text) return null;
  const draft = JSON.parse(text) as Draft;
  const whole =
    Array.isArray(draft.references) && Array.isArray(draft.modifiers) && typeof draft.author === "object";
  return whole ? draft : null;
}

export const loadDraft = (study: string) =>
  attempt(() => draftFrom(localStorage.getItem(draftKey(study))), null);

/** Keep the draft of a study; null forgets it. */
export function keepDraft(study: string, draft: Draft | null): void {
  attempt(() => {
    if (draft) localStorage.setItem(draftKey(study), JSON.stringify(draft));
    else localStorage.removeItem(draftKey(study));
  }, undefined);
}

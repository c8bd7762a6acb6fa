// Unsaved drafts and the author's name, kept in the browser.
import type { Code, Title } from "../api/contract";
import { signedIn } from "../api/session";
import type { Draft } from "./draft";
import { codeOf, findTitle } from "./titles";

const AUTHOR = "kinote.author";
// Several people may use one browser: each has drafts of their own.
const draftKey = (study: string) => {
  const user = signedIn();
  return user ? `kinote.draft.${user.login}/${study}` : `kinote.draft.${study}`;
};

// A browser may refuse storage (private windows, a full disk); the viewer works on without it.
function attempt<Result>(work: () => Result, otherwise: Result): Result {
  try {
    return work();
  } catch {
    return otherwise;
  }
}

/** Who writes notes here: who has signed in, else the name that was written last. */
export function loadAuthor(): string {
  const user = signedIn();
  return user ? user.name || user.login : attempt(() => localStorage.getItem(AUTHOR) ?? "", "");
}

export function saveAuthor(name: string): void {
  if (!signedIn()) attempt(() => localStorage.setItem(AUTHOR, name), undefined);
}

const LAST_TITLE = "kinote.title";
const OF_INTEREST: Code = { scheme: "DCM", value: "113000", meaning: "Of Interest" };

export const saveLastTitle = (title: Code) =>
  attempt(() => localStorage.setItem(LAST_TITLE, JSON.stringify(title)), undefined);

/** The title a new note begins with: the one used last, Of Interest before any was. */
export function firstTitle(titles: readonly Title[]): Code | null {
  const last = attempt(() => JSON.parse(localStorage.getItem(LAST_TITLE) ?? "null") as Code | null, null);
  const title = findTitle(titles, last) ?? findTitle(titles, OF_INTEREST);
  return title?.can_be_made ? codeOf(title) : null;
}

const LOOK = "kinote.look";

/** Whether images that are starred keep how they look; they do, unless somebody has switched it off. */
export const keepsLook = (): boolean => attempt(() => localStorage.getItem(LOOK) !== "off", true);

export const keepLook = (on: boolean) =>
  attempt(() => localStorage.setItem(LOOK, on ? "on" : "off"), undefined);

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

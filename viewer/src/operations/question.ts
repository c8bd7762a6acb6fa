// What somebody misses, and how that is written in the page's address.
import type { Question } from "../api/operations";

export const KINDS: [Question["what"], string, string][] = [
  ["uid", "UID", "of an object or a study"],
  ["accession", "Accession number", "as on the order"],
  ["patient", "Patient ID", "as it was sent"],
  ["sender", "Sender", "its AE title"],
];

const isKind = (name: string | null): name is Question["what"] => KINDS.some(([kind]) => kind === name);

export function readQuestion(query: URLSearchParams): Question {
  const what = query.get("what");
  return {
    what: isKind(what) ? what : "uid",
    text: query.get("text") ?? "",
    since: query.get("since") ?? "",
    until: query.get("until") ?? "",
  };
}

export function questionAddress(question: Question): string {
  const query = new URLSearchParams({ what: question.what, text: question.text.trim() });
  if (question.what === "sender") {
    if (question.since) query.set("since", question.since);
    if (question.until) query.set("until", question.until);
  }
  return `/explain?${query.toString()}`;
}

// Errors of the server: RFC 9457 problem documents, and what stands in for one when none came.

export interface FieldError {
  field: string;
  message: string;
}

export class Problem extends Error {
  readonly status: number;
  readonly title: string;
  readonly errors: readonly FieldError[];

  constructor(status: number, title: string, detail: string, errors: readonly FieldError[] = []) {
    super(detail || title);
    this.name = "Problem";
    this.status = status;
    this.title = title;
    this.errors = errors;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** Read a problem document; anything else the server may have said becomes one. */
export function problemFrom(status: number, body: string): Problem {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    parsed = undefined;
  }
  if (!isRecord(parsed)) {
    return new Problem(status, `The server answered ${status}`, body.slice(0, 300));
  }
  const listed: unknown[] = Array.isArray(parsed.errors) ? parsed.errors : [];
  const errors = listed
    .filter(isRecord)
    .map((error) => ({ field: text(error.field), message: text(error.message) }))
    .filter((error) => error.message !== "");
  return new Problem(
    status,
    text(parsed.title) || `The server answered ${status}`,
    text(parsed.detail),
    errors,
  );
}

/** Any thrown value as a problem that can be shown. Status 0: the server was not reached. */
export function asProblem(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  if (thrown instanceof TypeError) {
    return new Problem(0, "The server cannot be reached", "Check that Kinote is running, then try again.");
  }
  return new Problem(0, "Something went wrong", thrown instanceof Error ? thrown.message : String(thrown));
}

/** The part of the note form a field path belongs to: `references[1].frames` belongs to `references`. */
export const FORM_FIELDS = ["title", "modifiers", "description", "author", "references"] as const;
export type FormField = (typeof FORM_FIELDS)[number];

export interface SortedErrors {
  byField: Partial<Record<FormField, string[]>>;
  /** By index of the reference. */
  byReference: Map<number, string[]>;
  /** What belongs to no field of the form. */
  other: string[];
}

/** Sort the errors of a problem to the fields of the note form. */
export function sortErrors(problem: Problem): SortedErrors {
  const sorted: SortedErrors = { byField: {}, byReference: new Map(), other: [] };
  for (const { field, message } of problem.errors) {
    const reference = /^references\[(\d+)\]/.exec(field);
    if (reference) {
      const index = Number(reference[1]);
      sorted.byReference.set(index, [...(sorted.byReference.get(index) ?? []), message]);
      continue;
    }
    const root = field.split(/[.[]/, 1)[0];
    const known = FORM_FIELDS.find((name) => name === root);
    if (known) sorted.byField[known] = [...(sorted.byField[known] ?? []), message];
    else sorted.other.push(field ? `${field}: ${message}` : message);
  }
  if (problem.errors.length === 0) sorted.other.push(problem.message);
  return sorted;
}

// The keys (Idempotency-Key) under which the server does an act once, however often it is asked for.
//
// An act is all that is asked for: method, address, version, content. Its key is kept until the server has
// answered, also when the page is loaded anew: who presses Save again, because no answer came, sends the same key.
// An act that was changed meanwhile is another one.

const STORED = "kinote.acts";
/** More than can be waiting for an answer: the oldest goes. */
const KEPT = 20;

type Waiting = [act: string, key: string][];

// For when the browser refuses storage (private windows, a full disk).
let inThisPage: Waiting = [];

function isWaiting(value: unknown): value is Waiting {
  return (
    Array.isArray(value) &&
    value.every(
      (entry) =>
        Array.isArray(entry) && entry.length === 2 && entry.every((text) => typeof text === "string"),
    )
  );
}

function waiting(): Waiting {
  let stored: unknown;
  try {
    stored = JSON.parse(localStorage.getItem(STORED) ?? "[]");
  } catch {
    stored = [];
  }
  const here = new Set(inThisPage.map(([act]) => act));
  return [...(isWaiting(stored) ? stored : []).filter(([act]) => !here.has(act)), ...inThisPage];
}

function keep(acts: Waiting): void {
  try {
    if (acts.length) localStorage.setItem(STORED, JSON.stringify(acts));
    else localStorage.removeItem(STORED);
  } catch {
    // This page still knows.
  }
}

export function keyOf(act: string): string {
  const known = waiting().find(([asked]) => asked === act);
  if (known) return known[1];
  const key = randomUuid();
  inThisPage = [...inThisPage, [act, key] as [string, string]].slice(-KEPT);
  keep(waiting().slice(-KEPT));
  return key;
}

/** The server has answered: the same act, asked for again, is meant to be done again. */
export function forget(act: string): void {
  inThisPage = inThisPage.filter(([asked]) => asked !== act);
  keep(waiting().filter(([asked]) => asked !== act));
}

// `crypto.randomUUID` is there only on HTTPS and on localhost.
function randomUuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

// Dates and times as people read them.

/** A DICOM or ISO date ("20260131", "2026-01-31") as "2026-01-31"; anything else as it stands. */
export function day(date: string | null | undefined): string {
  if (!date) return "";
  const match = /^(\d{4})-?(\d{2})-?(\d{2})/.exec(date);
  return match ? `${match[1]}-${match[2]}-${match[3]}` : date;
}

/** A DICOM or ISO time ("093015.5", "09:30:15") as "09:30". */
export function clock(time: string | null | undefined): string {
  const match = /^(\d{2}):?(\d{2})/.exec(time ?? "");
  return match ? `${match[1]}:${match[2]}` : "";
}

/** An instant in the reader's own time zone: "2026-01-31 09:30". */
export function moment(instant: string | null | undefined): string {
  if (!instant) return "";
  const date = new Date(instant);
  if (Number.isNaN(date.getTime())) return instant;
  const two = (value: number) => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** Age in whole years on the day of the study; null when either date is missing. */
export function ageAt(birth: string | null | undefined, on: string | null | undefined): number | null {
  const born = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day(birth));
  const then = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day(on));
  if (!born || !then) return null;
  const hadBirthday = `${then[2]}${then[3]}` >= `${born[2]}${born[3]}`;
  const age = Number(then[1]) - Number(born[1]) - (hadBirthday ? 0 : 1);
  return age >= 0 && age < 150 ? age : null;
}

/** "DOE^JANE^^^" as "DOE, JANE"; ideographic and phonetic groups after it, in brackets: "(山田 太郎, …)". */
export function personName(name: string | null | undefined): string {
  if (!name) return "";
  const [alphabetic = "", ...others] = name.split("=");
  const further = others.map((group) => partsOf(group).join(" ")).filter((text) => text !== "");
  const [family = "", given = "", middle = "", prefix = "", suffix = ""] = partsOf(alphabetic, true);
  const rest = [prefix, given, middle, suffix].filter((part) => part !== "").join(" ");
  const first = family && rest ? `${family}, ${rest}` : family || rest;
  if (!first) return further.join(", ");
  return further.length ? `${first} (${further.join(", ")})` : first;
}

/** The components of one group; empty ones kept only when their places matter. */
function partsOf(group: string, places = false): string[] {
  const parts = group.split("^").map((part) => part.trim());
  return places ? parts : parts.filter((part) => part !== "");
}

/** "1.2 MB". */
export function bytes(size: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let value = size;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

export const plural = (count: number, one: string, many = `${one}s`) =>
  `${count} ${count === 1 ? one : many}`;

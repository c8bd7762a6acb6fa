// Days as the REST API asks for them.

/** The moment at which a day (`2026-11-24`) begins here, as the server writes moments; empty for no day. */
export function beginningOf(day: string): string {
  const moment = new Date(`${day}T00:00`);
  return Number.isNaN(moment.getTime()) ? "" : moment.toISOString();
}

/** The moment at which a day ends here, which is when the next one begins; empty for no day. */
export function endOf(day: string): string {
  const moment = new Date(`${day}T00:00`);
  if (Number.isNaN(moment.getTime())) return "";
  moment.setDate(moment.getDate() + 1);
  return moment.toISOString();
}

// What a queue has in each state, of the numbers that the server tells.
import type { JobNumber, JobState, Queue } from "../api/operations";

/** The states of jobs that have not ended as they should, in the order in which they are shown. */
export const COUNTED = ["queued", "leased", "retry", "waiting", "suspended", "dead"] as const satisfies JobState[];

export const STATE_NAMES: Record<JobState, string> = {
  queued: "Waiting",
  leased: "Running",
  retry: "Retry",
  waiting: "For something",
  suspended: "Suspended",
  dead: "Dead",
  done: "Done",
  cancelled: "Cancelled",
};

export interface QueueNumbers {
  queue: Queue;
  counts: Map<JobState, JobNumber>;
  /** When the oldest job was made that is under way. */
  oldest: string | null;
}

/** The queues with their numbers; a kind that has jobs and no queue of this server is one, too. */
export function numbersOf(queues: Queue[], numbers: JobNumber[]): QueueNumbers[] {
  const byKind = new Map<string, QueueNumbers>();
  const of = (kind: string, queue?: Queue) => {
    const known = byKind.get(kind);
    if (known) return known;
    const made: QueueNumbers = {
      queue: queue ?? { kind, state: "running", does: "", actor: "", reason: "", changed_at: null },
      counts: new Map(),
      oldest: null,
    };
    byKind.set(kind, made);
    return made;
  };
  for (const queue of queues) of(queue.kind, queue);
  for (const number of numbers) {
    const found = of(number.kind);
    found.counts.set(number.state, number);
    const isUnderWay = number.state !== "done" && number.state !== "cancelled" && number.state !== "dead";
    if (isUnderWay && (!found.oldest || number.oldest_made_at < found.oldest)) found.oldest = number.oldest_made_at;
  }
  return [...byKind.values()].sort((one, other) => one.queue.kind.localeCompare(other.queue.kind));
}

/** For how long something has been so: "3 min", "2 h", "5 days". */
export function age(since: string, now: number = Date.now()): string {
  const minutes = Math.max(0, Math.floor((now - new Date(since).getTime()) / 60_000));
  if (minutes < 1) return "under 1 min";
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h`;
  return `${Math.floor(hours / 24)} days`;
}

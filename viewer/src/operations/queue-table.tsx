import { useState } from "react";
import { type JobState, type Queue, type QueueState, setQueue } from "../api/operations";
import { ReasonDialog } from "../dialogs/reason-dialog";
import { moment } from "../model/when";
import { useAnnounce } from "../parts/announcer";
import { useAct } from "../parts/use-act";
import { Link } from "../router";
import { JOB_FILTER } from "./filters";
import { age, COUNTED, type QueueNumbers, STATE_NAMES } from "./queue-numbers";

const BADGES: Record<QueueState, string> = {
  running: "badge-info",
  accepting: "badge-warning",
  draining: "badge-warning",
  halted: "badge-error",
};

const STATES: [QueueState, string][] = [
  ["running", "Jobs are taken and run."],
  ["accepting", "Paused: jobs are taken, and none is begun."],
  ["draining", "Jobs that are there are run; people can ask for no others."],
  ["halted", "No job is begun, and people can ask for none."],
];

/** All queues: how many jobs each has in which state, since when, and whether it runs. */
export function QueueTable({ queues, onChanged }: { queues: QueueNumbers[]; onChanged: () => void }) {
  const [changing, setChanging] = useState<Queue | null>(null);
  return (
    <>
      <table className="record-table queue-table" data-testid="queue-list">
        <thead>
          <tr>
            <th scope="col">Queue</th>
            <th scope="col">State</th>
            {COUNTED.map((state) => (
              <th scope="col" key={state}>
                {STATE_NAMES[state]}
              </th>
            ))}
            <th scope="col">Oldest</th>
            <th scope="col">
              <span className="visually-hidden">Change</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {queues.map(({ queue, counts, oldest }) => (
            <tr key={queue.kind} data-testid="queue-row" data-kind={queue.kind}>
              <th scope="row">
                <strong>{queue.kind}</strong>
                <div className="quiet">{queue.does || "This server does not know this kind of job."}</div>
                {queue.reason && (
                  <div className="quiet">
                    {queue.actor} since {moment(queue.changed_at)}: {queue.reason}
                  </div>
                )}
              </th>
              <td data-label="State">
                <span className={`badge ${BADGES[queue.state]}`} data-testid="queue-state">
                  {queue.state}
                </span>
              </td>
              {COUNTED.map((state) => (
                <td
                  className={`cell-count ${counts.get(state) ? "" : "is-none"}`}
                  data-label={STATE_NAMES[state]}
                  key={state}
                >
                  <Count kind={queue.kind} state={state} number={counts.get(state)} />
                </td>
              ))}
              <td className={oldest ? "" : "is-none"} data-label="Oldest">{oldest ? age(oldest) : "–"}</td>
              <td>
                {queue.does && (
                  <button
                    type="button"
                    className="button"
                    aria-label={`Change the queue ${queue.kind}`}
                    onClick={() => setChanging(queue)}
                    data-testid="queue-change"
                  >
                    Change…
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {changing && <QueueDialog queue={changing} onClose={() => setChanging(null)} onChanged={onChanged} />}
    </>
  );
}

interface CountProps {
  kind: string;
  state: JobState;
  number: { count: number; is_more: boolean; sentence: string } | undefined;
}

function Count({ kind, state, number }: CountProps) {
  if (!number) return <span className="quiet">0</span>;
  return (
    <Link
      href={JOB_FILTER.write({ kind, state })}
      className={state === "dead" ? "count-dead" : ""}
      title={number.sentence}
      aria-label={`${number.count} jobs of ${kind}: ${STATE_NAMES[state]}`}
    >
      {number.count}
      {number.is_more ? "+" : ""}
    </Link>
  );
}

function QueueDialog({ queue, onClose, onChanged }: { queue: Queue; onClose: () => void; onChanged: () => void }) {
  const [state, setState] = useState<QueueState>(queue.state);
  const { working, problem, run } = useAct();
  const announce = useAnnounce();
  const change = async (reason: string, who: string) => {
    const done = await run(async () => void (await setQueue(queue.kind, state, reason, who)));
    if (!done) return;
    announce(`The queue ${queue.kind} is ${state}`);
    onChanged();
    onClose();
  };
  return (
    <ReasonDialog
      title={`The queue ${queue.kind}`}
      testid="queue-dialog"
      confirm="Change"
      working={working}
      problem={problem}
      harmless
      ready={state !== queue.state}
      onClose={onClose}
      onConfirm={(reason, who) => void change(reason, who)}
    >
      <fieldset className="field choices">
        <legend>State</legend>
        {STATES.map(([name, what]) => (
          <label key={name} className="choice">
            <input
              type="radio"
              name="queue-state"
              value={name}
              checked={state === name}
              onChange={() => setState(name)}
              data-testid={`queue-to-${name}`}
            />
            <span>
              <strong>{name}</strong> <span className="quiet">{what}</span>
            </span>
          </label>
        ))}
      </fieldset>
    </ReasonDialog>
  );
}

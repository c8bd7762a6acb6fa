import { useState } from "react";
import { type Job, type JobHistory, type JobState, job as readJob } from "../api/operations";
import { moment, plural } from "../model/when";
import { ProblemNotice } from "../parts/problem-notice";
import { useAct } from "../parts/use-act";
import { STATE_NAMES } from "./queue-numbers";

const BADGES: Partial<Record<JobState, string>> = {
  leased: "badge-info",
  retry: "badge-warning",
  suspended: "badge-warning",
  dead: "badge-error",
};

interface JobRowProps {
  job: Job;
  isSelected: boolean;
  onSelect: (isSelected: boolean) => void;
}

/** One job: why it stands where it is, and on request what happened to it. */
export function JobRow({ job, isSelected, onSelect }: JobRowProps) {
  const [history, setHistory] = useState<JobHistory | null>(null);
  const { problem, run } = useAct();
  return (
    <li className="record" data-testid="job-row" data-job={job.id}>
      <div className="record-head">
        <input
          type="checkbox"
          checked={isSelected}
          aria-label={`Select job ${job.id}`}
          onChange={(event) => onSelect(event.target.checked)}
          data-testid="job-select"
        />
        <span className={`badge ${BADGES[job.state] ?? ""}`} data-testid="job-state">
          {STATE_NAMES[job.state]}
        </span>
        <strong>
          {job.kind} {job.id}
        </strong>
        {job.destination && <span>to {job.destination}</span>}
        <time dateTime={job.made_at}>{moment(job.made_at)}</time>
      </div>
      <p data-testid="job-sentence">{job.sentence}</p>
      <details
        onToggle={(event) => {
          if (event.currentTarget.open && !history) void run(async () => setHistory(await readJob(job.id)));
        }}
      >
        <summary data-testid="job-history">What happened to it</summary>
        {problem && <ProblemNotice problem={problem} />}
        {history && (
          <ol className="history">
            {history.history.map((event, at) => (
              <li key={at}>
                <time dateTime={event.happened_at}>{moment(event.happened_at)}</time> {event.event}
                {event.actor && ` by ${event.actor}`}
                {event.reason && `: ${event.reason}`}
              </li>
            ))}
          </ol>
        )}
        {history && history.failed_objects.length > 0 && (
          <p className="quiet">
            {plural(history.failed_objects.length, "object")} could not be done. The first:{" "}
            {history.failed_objects[0]?.reason}
          </p>
        )}
      </details>
    </li>
  );
}

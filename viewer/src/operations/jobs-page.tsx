import { useCallback, useEffect, useState } from "react";
import { type Job, type JobFilter, jobs, queues as readQueues } from "../api/operations";
import { ChoiceField } from "../lists/filter-fields";
import { ListPage } from "../lists/list-page";
import { useFilteredList } from "../lists/use-filtered-list";
import { plural } from "../model/when";
import { ProblemNotice } from "../parts/problem-notice";
import { useAct } from "../parts/use-act";
import { JOB_FILTER } from "./filters";
import { JobActs } from "./job-acts";
import { JobRow } from "./job-row";
import { numbersOf, type QueueNumbers, STATE_NAMES } from "./queue-numbers";
import { QueueTable } from "./queue-table";

/** All queues, and the jobs in them: why each stands where it is, and what can be done about it. */
export function JobsPage({ query }: { query: URLSearchParams }) {
  const [queues, setQueues] = useState<QueueNumbers[]>([]);
  const [selected, setSelected] = useState<ReadonlySet<number>>(new Set());
  const { problem, run } = useAct();
  const list = useFilteredList(query, JOB_FILTER, jobs);
  const { pages, filter, change, rows } = list;
  const refresh = useCallback(() => {
    void run(async () => {
      const [known, { numbers }] = await Promise.all([readQueues(), jobs({ state: "", kind: "" }, null)]);
      setQueues(numbersOf(known.items, numbers));
    });
  }, [run]);
  useEffect(refresh, [refresh]);
  // What was selected is not on the page when others are searched for.
  useEffect(() => setSelected(new Set()), [filter]);
  const select = (job: Job, isSelected: boolean) =>
    setSelected((before) => {
      const after = new Set(before);
      if (isSelected) after.add(job.id);
      else after.delete(job.id);
      return after;
    });
  const anew = () => {
    setSelected(new Set());
    refresh();
    pages.restart();
  };
  return (
    <ListPage
      title="Queues and jobs"
      pages={pages}
      counted={(count) => plural(count, "job")}
      lead="What the server does in the background. Every job ends: as done, as cancelled, or as dead with a reason. A dead job blocks nothing, and can be run again."
      bar={
        <>
          {problem && <ProblemNotice problem={problem} onRetry={refresh} />}
          <QueueTable queues={queues} onChanged={anew} />
          <h2 className="section-head">Jobs</h2>
          <form className="filter-bar" onSubmit={(event) => event.preventDefault()}>
            <ChoiceField
              label="State"
              value={filter.state}
              testid="job-state-filter"
              onChange={(state) => change({ state })}
            >
              <option value="">Any</option>
              {Object.entries(STATE_NAMES).map(([state, name]) => (
                <option key={state} value={state}>
                  {name}
                </option>
              ))}
            </ChoiceField>
            <ChoiceField
              label="Queue"
              value={filter.kind}
              testid="job-kind-filter"
              onChange={(kind) => change({ kind })}
            >
              <option value="">Any</option>
              {queues.map(({ queue }) => (
                <option key={queue.kind} value={queue.kind}>
                  {queue.kind}
                </option>
              ))}
            </ChoiceField>
            <button type="button" className="button" onClick={anew} data-testid="jobs-refresh">
              Refresh
            </button>
          </form>
          {pages.items.length > 0 && <JobActs selected={selected} filter={filter} onDone={anew} />}
        </>
      }
      nothing={<NoJobs filter={filter} />}
      testids={{ count: "job-count", more: "more-jobs" }}
      rows={rows}
    >
      <ul className="records" data-testid="job-list">
        {pages.items.map((job) => (
          <JobRow
            key={job.id}
            job={job}
            isSelected={selected.has(job.id)}
            onSelect={(isSelected) => select(job, isSelected)}
          />
        ))}
      </ul>
    </ListPage>
  );
}

function NoJobs({ filter }: { filter: JobFilter }) {
  const isFiltered = filter.state !== "" || filter.kind !== "";
  return (
    <div className="empty" data-testid="no-jobs">
      <h2>{isFiltered ? "No such job" : "No jobs"}</h2>
      <p>
        {isFiltered
          ? "No job is in this state, or of this kind."
          : "Documents that are made or read again, destinations that are told, and messages about alerts would be here."}
      </p>
    </div>
  );
}

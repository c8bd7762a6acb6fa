import { useEffect, useState } from "react";
import { actOnJobs, countJobs, type JobAct, type JobFilter, type WantedJobs } from "../api/operations";
import { ReasonDialog } from "../dialogs/reason-dialog";
import { plural } from "../model/when";
import { useAnnounce } from "../parts/announcer";
import { ProblemNotice } from "../parts/problem-notice";
import { useAct } from "../parts/use-act";
import { STATE_NAMES } from "./queue-numbers";

interface ActWords {
  act: JobAct;
  button: string;
  question: (jobs: string) => string;
  /** What becomes of the jobs: "1 job will be …". */
  become: string;
}

const ACTS: ActWords[] = [
  { act: "retry", button: "Run again", question: (jobs) => `Run ${jobs} again?`, become: "run again" },
  { act: "cancel", button: "Cancel", question: (jobs) => `Cancel ${jobs}?`, become: "cancelled" },
  { act: "suspend", button: "Suspend", question: (jobs) => `Suspend ${jobs}?`, become: "suspended for seven days" },
  { act: "resume", button: "Resume", question: (jobs) => `Resume ${jobs}?`, become: "resumed" },
];

interface JobActsProps {
  selected: ReadonlySet<number>;
  filter: JobFilter;
  onDone: () => void;
}

/** What can be done to the jobs that are selected; where none is, to all that the filter finds. */
export function JobActs({ selected, filter, onDone }: JobActsProps) {
  const [asked, setAsked] = useState<ActWords | null>(null);
  const which: WantedJobs = selected.size ? { ids: [...selected] } : { filter };
  return (
    <div className="act-bar" role="group" aria-label="Acts on jobs">
      <span className="quiet" aria-live="polite" data-testid="job-selection">
        {selected.size ? `${plural(selected.size, "job")} selected` : `All ${described(filter)}`}
      </span>
      {ACTS.map((words) => (
        <button
          key={words.act}
          type="button"
          className="button"
          onClick={() => setAsked(words)}
          data-testid={`jobs-${words.act}`}
        >
          {words.button}…
        </button>
      ))}
      {asked && (
        <JobActDialog
          words={asked}
          which={which}
          described={selected.size ? "the selected jobs" : `all ${described(filter)}`}
          onClose={() => setAsked(null)}
          onDone={onDone}
        />
      )}
    </div>
  );
}

function described({ state, kind }: JobFilter): string {
  const name = state ? `${STATE_NAMES[state as keyof typeof STATE_NAMES].toLowerCase()} jobs` : "jobs";
  return kind ? `${name} of ${kind}` : name;
}

interface JobActDialogProps {
  words: ActWords;
  which: WantedJobs;
  described: string;
  onClose: () => void;
  onDone: () => void;
}

/** Counts what an act would be done to, and does it to as many. */
function JobActDialog({ words, which, described, onClose, onDone }: JobActDialogProps) {
  const [count, setCount] = useState<number | null>(null);
  const counting = useAct();
  const doing = useAct();
  const announce = useAnnounce();
  const { act, button, question, become } = words;
  const { run } = counting;
  const written = JSON.stringify(which);
  useEffect(() => {
    void run(async () => setCount((await countJobs(act, JSON.parse(written) as WantedJobs)).count));
  }, [act, written, run]);
  const confirm = async (reason: string, who: string) => {
    const done = await doing.run(async () => {
      const { count: number } = await actOnJobs(act, which, count ?? 0, reason, who);
      announce(`${plural(number, "job")}: ${become}`);
    });
    if (!done) {
      // They may be more or fewer by now.
      await run(async () => setCount((await countJobs(act, which)).count));
      return;
    }
    onDone();
    onClose();
  };
  return (
    <ReasonDialog
      title={question(described)}
      testid="job-act-dialog"
      confirm={count === null ? button : `${button}: ${plural(count, "job")}`}
      harmless={act !== "cancel"}
      keep="Leave them"
      working={doing.working}
      problem={doing.problem}
      ready={count !== null && count > 0}
      onClose={onClose}
      onConfirm={(reason, who) => void confirm(reason, who)}
    >
      <p data-testid="job-act-preview" aria-live="polite">
        {count === null && !counting.problem && "Counting…"}
        {count === 0 && "There is no job among them to which this can be done."}
        {count !== null && count > 0 && `${plural(count, "job")} will be ${become}.`}
      </p>
      {counting.problem && <ProblemNotice problem={counting.problem} />}
    </ReasonDialog>
  );
}

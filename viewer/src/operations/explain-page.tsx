import { useEffect, useState } from "react";
import { type Cause, copiesOf, type Question, whyMissing } from "../api/operations";
import { plural } from "../model/when";
import { ProblemNotice } from "../parts/problem-notice";
import { Sentence } from "../parts/sentence";
import { useAct } from "../parts/use-act";
import { go, Link, studyAddress } from "../router";
import { KINDS, questionAddress, readQuestion } from "./question";

interface Answered {
  causes: Cause[];
  copies: { sentences: string[] }[];
}

/** Why something is missing, or what happened to it: asked by whatever is at hand. */
export function ExplainPage({ query }: { query: URLSearchParams }) {
  const written = query.toString();
  const [answered, setAnswered] = useState<Answered | null>(null);
  const { working, problem, run } = useAct();
  useEffect(() => {
    document.title = "Explain · Kinote";
  }, []);
  useEffect(() => {
    const question = readQuestion(new URLSearchParams(written));
    const ending = new AbortController();
    setAnswered(null);
    if (question.text.trim()) {
      void run(async () => {
        const uid = question.what === "uid" ? question.text.trim() : "";
        const [causes, copies] = await Promise.all([
          whyMissing(question, ending.signal),
          uid ? copiesOf(uid, ending.signal) : [],
        ]).catch((thrown: unknown) => {
          if (ending.signal.aborted) return [[], []] as [Cause[], Answered["copies"]];
          throw thrown;
        });
        if (!ending.signal.aborted) setAnswered({ causes, copies });
      });
    }
    return () => ending.abort();
  }, [written, run]);
  return (
    <section className="page" aria-labelledby="explain-heading">
      <div className="page-head">
        <h1 id="explain-heading">Explain</h1>
      </div>
      <p className="lead">
        Why something is not there, or is not shown, and what to do. Ask by what you have: a UID, an accession number,
        a patient, or who sent it and when.
      </p>
      <QuestionForm key={written} asked={readQuestion(query)} />
      <div aria-live="polite" aria-busy={working}>
        {working && <p className="quiet">Looking…</p>}
        {problem && <ProblemNotice problem={problem} />}
        {answered && <Answer answered={answered} />}
        {!working && !problem && !answered && (
          <div className="empty" data-testid="nothing-asked">
            <h2>Nothing is asked yet</h2>
            <p>The reasons, each with what to do about it, would be here.</p>
          </div>
        )}
      </div>
    </section>
  );
}

function QuestionForm({ asked }: { asked: Question }) {
  const [question, setQuestion] = useState(asked);
  const [, name, hint] = KINDS.find(([kind]) => kind === question.what) ?? ["", "", ""];
  const change = (part: Partial<Question>) => setQuestion({ ...question, ...part });
  return (
    <form
      className="filter-bar"
      onSubmit={(event) => {
        event.preventDefault();
        if (question.text.trim()) go(questionAddress(question));
      }}
      data-testid="explain-form"
    >
      <label className="field-inline">
        <span>What you have</span>
        <select
          value={question.what}
          onChange={(event) => change({ what: event.target.value as Question["what"] })}
          data-testid="explain-what"
        >
          {KINDS.map(([kind, text]) => (
            <option key={kind} value={kind}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <label className="field-inline grows">
        <span>
          {name}, {hint}
        </span>
        <input
          type="text"
          value={question.text}
          autoComplete="off"
          spellCheck={false}
          onChange={(event) => change({ text: event.target.value })}
          data-testid="explain-text"
        />
      </label>
      {question.what === "sender" && (
        <>
          <Moment label="From" value={question.since} onChange={(since) => change({ since })} testid="explain-since" />
          <Moment label="To" value={question.until} onChange={(until) => change({ until })} testid="explain-until" />
        </>
      )}
      <button type="submit" className="button primary" disabled={!question.text.trim()} data-testid="explain-ask">
        Explain
      </button>
    </form>
  );
}

interface MomentProps {
  label: string;
  value: string;
  testid: string;
  onChange: (value: string) => void;
}

function Moment({ label, value, testid, onChange }: MomentProps) {
  return (
    <label className="field-inline">
      <span>{label}</span>
      <input
        type="datetime-local"
        value={value}
        onChange={(event) => onChange(event.target.value)}
        data-testid={testid}
      />
    </label>
  );
}

/** Causes of which the UIDs are those of studies. */
const OF_STUDIES = new Set(["OTHER_PATIENT", "OTHER_STUDY"]);

function Answer({ answered: { causes, copies } }: { answered: Answered }) {
  return (
    <>
      <ol className="records" data-testid="causes">
        {causes.map((cause) => (
          <li key={cause.code} className="record" data-testid="cause" data-code={cause.code}>
            <div className="record-head">
              <span className="badge">{cause.code}</span>
              <strong>
                <Sentence text={cause.sentence} />
              </strong>
            </div>
            <p>
              <strong>What to do:</strong> <Sentence text={cause.remedy} />
            </p>
            {cause.uids.length > 0 && (
              <details>
                <summary>
                  {cause.uids.length < cause.count
                    ? `The first ${cause.uids.length} of ${cause.count}`
                    : plural(cause.uids.length, "UID")}
                </summary>
                <ul className="history">
                  {cause.uids.map((uid) => (
                    <li key={uid}>
                      <Link
                        href={
                          OF_STUDIES.has(cause.code)
                            ? studyAddress(uid)
                            : questionAddress({ what: "uid", text: uid, since: "", until: "" })
                        }
                      >
                        <code className="uid">{uid}</code>
                      </Link>
                    </li>
                  ))}
                </ul>
              </details>
            )}
          </li>
        ))}
      </ol>
      {copies.length > 0 && (
        <>
          <h2 className="section-head">What happened to it</h2>
          <ul className="records" data-testid="copies">
            {copies.map(({ sentences }, at) => (
              <li key={at} className="record" data-testid="copy">
                {sentences.map((sentence, number) => (
                  <p key={number}>{sentence}</p>
                ))}
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

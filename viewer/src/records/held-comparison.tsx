import { useEffect, useId, useState } from "react";
import { compareHeld, decideHeld, previewHeld } from "../api/client";
import type { HeldChoice, HeldComparison, HeldCopy, HeldDecision, HeldScope } from "../api/contract";
import { asProblem, type Problem } from "../api/problem";
import { loadAuthor } from "../model/draft-store";
import { moment, personName, plural } from "../model/when";
import { useAnnounce } from "../parts/announcer";
import { ProblemNotice } from "../parts/problem-notice";

const CHOICES: { choice: HeldChoice; label: string }[] = [
  { choice: "keep first", label: "Keep the first" },
  { choice: "take second", label: "Take the second" },
  { choice: "keep both", label: "Keep both" },
];

/** What becomes of copies, in words; the keys are those of the API. */
const WAYS: Record<string, string> = {
  discarded: "the held copy is removed for good",
  "in place of the first": "the held copy takes the UID; the first one is withdrawn",
  "under a new UID, the first rejected":
    "the held copy gets a new UID; the first one is withdrawn, and rejected at everyone who was given it",
  "under a new UID": "the held copy gets a new UID; the first one stays what it is",
};

const SCOPES: { scope: HeldScope; label: string }[] = [
  { scope: "object", label: "This object" },
  { scope: "series", label: "All held copies of its series" },
  { scope: "study", label: "All held copies of its study" },
];

interface HeldComparisonProps {
  copy: HeldCopy;
  onDecided: () => void;
}

/** A held copy beside the first one: pictures, the attributes that differ, and the choices. */
export function HeldComparisonPanel({ copy, onDecided }: HeldComparisonProps) {
  const [found, setFound] = useState<HeldComparison | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    let wanted = true;
    compareHeld(copy.id)
      .then((answer) => wanted && setFound(answer))
      .catch((thrown: unknown) => wanted && setProblem(asProblem(thrown)));
    return () => {
      wanted = false;
    };
  }, [copy.id]);
  if (problem) return <ProblemNotice problem={problem} />;
  if (!found) return <p className="quiet">Comparing…</p>;
  return (
    <div className="comparison" data-testid="held-comparison">
      <div className="comparison-copies">
        <Copy title="First copy" side={found.first} standing={found.first.standing} testid="first-picture" />
        <Copy title="Held copy" side={found.held} standing="held" testid="held-picture" />
      </div>
      <Differences found={found} />
      <Choices copy={copy} onDecided={onDecided} />
    </div>
  );
}

interface CopyProps {
  title: string;
  side: HeldComparison["held"] | HeldComparison["first"];
  standing: string;
  testid: string;
}

function Copy({ title, side, standing, testid }: CopyProps) {
  return (
    <figure>
      <figcaption>
        <strong>{title}</strong> <span className="badge">{standing}</span>
        <div className="quiet">
          {moment(side.received_at)}, from {side.received_from}
        </div>
        {"given_to" in side && (
          <div className="quiet">
            {side.given_to ? `Given to ${plural(side.given_to, "other system")}` : "Nobody else was given it"}
          </div>
        )}
      </figcaption>
      {side.picture ? (
        <img src={side.picture} alt={`Picture of the ${title.toLowerCase()}`} data-testid={testid} />
      ) : (
        <div className="empty">No picture</div>
      )}
    </figure>
  );
}

function Differences({ found }: { found: HeldComparison }) {
  const pixels =
    found.pixels === "same"
      ? "Their pixels are the same."
      : found.pixels === "differ"
        ? "Their pixels differ."
        : found.pixels;
  return (
    <>
      <p data-testid="held-pixels">{pixels}</p>
      {found.differences.length === 0 ? (
        <p>All attributes that have been compared are the same.</p>
      ) : (
        <table className="record-table" data-testid="held-differences">
          <thead>
            <tr>
              <th scope="col">Attribute</th>
              <th scope="col">First copy</th>
              <th scope="col">Held copy</th>
            </tr>
          </thead>
          <tbody>
            {found.differences.map((each) => (
              <tr key={each.place}>
                <th scope="row">{each.place}</th>
                <td data-label="First copy">{each.first ?? <span className="quiet">absent</span>}</td>
                <td data-label="Held copy">{each.held ?? <span className="quiet">absent</span>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {found.has_more && <p className="quiet">There are more differences than are shown.</p>}
    </>
  );
}

function Choices({ copy, onDecided }: HeldComparisonProps) {
  const id = useId();
  const [choice, setChoice] = useState<HeldChoice>("keep first");
  const [scope, setScope] = useState<HeldScope>("object");
  const [text, setText] = useState("");
  const [who, setWho] = useState(loadAuthor);
  const [seen, setSeen] = useState<HeldDecision | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [working, setWorking] = useState(false);
  const announce = useAnnounce();
  useEffect(() => {
    let wanted = true;
    setSeen(null);
    previewHeld(copy, scope, choice)
      .then((answer) => wanted && setSeen(answer))
      .catch((thrown: unknown) => wanted && setProblem(asProblem(thrown)));
    return () => {
      wanted = false;
    };
  }, [copy, scope, choice]);
  const ready = text.trim() !== "" && who.trim() !== "" && seen !== null && !seen.hindrance && !working;
  const decide = async () => {
    if (!ready) return;
    setWorking(true);
    setProblem(null);
    try {
      const made = await decideHeld(copy, scope, choice, text.trim(), seen, who.trim());
      announce(`${plural(made.decided ?? 0, "held copy", "held copies")} decided`);
      onDecided();
    } catch (thrown) {
      setProblem(asProblem(thrown));
      setWorking(false);
    }
  };
  return (
    <div className="comparison-choices">
      <fieldset>
        <legend>Decision</legend>
        {CHOICES.map((each) => (
          <label key={each.choice}>
            <input
              type="radio"
              name={`${id}-choice`}
              checked={choice === each.choice}
              onChange={() => setChoice(each.choice)}
              data-testid={`choice-${each.choice.replace(" ", "-")}`}
            />{" "}
            {each.label}
          </label>
        ))}
      </fieldset>
      <div className="field">
        <label htmlFor={`${id}-scope`}>For</label>
        <select
          id={`${id}-scope`}
          value={scope}
          onChange={(event) => setScope(event.target.value as HeldScope)}
          data-testid="held-scope"
        >
          {SCOPES.map((each) => (
            <option key={each.scope} value={each.scope}>
              {each.label}
            </option>
          ))}
        </select>
      </div>
      <Preview seen={seen} />
      <div className="field">
        <label htmlFor={`${id}-text`}>Reason</label>
        <input
          id={`${id}-text`}
          type="text"
          value={text}
          onChange={(event) => setText(event.target.value)}
          data-testid="held-reason"
        />
      </div>
      <div className="field">
        <label htmlFor={`${id}-who`}>Your name</label>
        <input
          id={`${id}-who`}
          type="text"
          autoComplete="name"
          value={who}
          onChange={(event) => setWho(event.target.value)}
          data-testid="held-who"
        />
      </div>
      {problem && <ProblemNotice problem={problem} />}
      <button
        type="button"
        className="button primary"
        disabled={!ready}
        onClick={() => void decide()}
        data-testid="held-decide"
      >
        {working ? "Deciding…" : "Decide"}
      </button>
    </div>
  );
}

/** What the chosen decision would do, counted, with whose studies are concerned. */
function Preview({ seen }: { seen: HeldDecision | null }) {
  if (!seen) return <p className="quiet">Counting…</p>;
  if (seen.hindrance) return <p data-testid="held-hindrance">{seen.hindrance}</p>;
  return (
    <div data-testid="held-preview">
      <ul>
        {Object.entries(seen.ways).map(([way, number]) => (
          <li key={way}>
            {plural(number, "copy", "copies")}: {WAYS[way] ?? way}
          </li>
        ))}
        {seen.studies.map((share) => (
          <li key={share.study_instance_uid}>
            {personName(share.patient_name) || "No name"} ({share.patient_id || "no ID"}):{" "}
            {plural(share.instances, "object")}
          </li>
        ))}
        {seen.receivers > 0 && <li>{plural(seen.receivers, "other system")} will be told.</li>}
      </ul>
    </div>
  );
}

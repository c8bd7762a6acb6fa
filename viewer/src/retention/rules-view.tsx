import { useEffect } from "react";
import { type Amount, type RetentionRules, retentionRules } from "../api/retention";
import { bytes, moment, plural } from "../model/when";
import { ProblemNotice } from "../parts/problem-notice";
import type { ViewProps } from "./view-props";
import { useRead } from "./use-read";

const MODES = {
  off: "The server does nothing by itself.",
  training: "In training: the server plans what it would evict, and evicts nothing.",
  on: "The server evicts by itself when the bounds are crossed.",
};

/** The rules in their order, each in one sentence, with what it does now. */
export function RulesView({ bar }: ViewProps) {
  const { found: rules, problem, again } = useRead(retentionRules);
  useEffect(() => {
    document.title = "Rules of retention · Kinote";
  }, []);
  return (
    <section className="page retention" aria-labelledby="rules-heading">
      <div className="page-head">
        <h1 id="rules-heading">Rules of retention</h1>
      </div>
      <p className="lead">
        The first rule that matches decides. They are saved with kinote retention save-rules, which shows what would be
        different before.
      </p>
      {bar}
      {problem && <ProblemNotice problem={problem} onRetry={again} />}
      {rules && (
        <>
          <p data-testid="retention-mode">
            {MODES[rules.mode]} {boundsOf(rules)}
            {rules.saved_at && ` Saved ${moment(rules.saved_at)}${rules.saved_by ? ` by ${rules.saved_by}` : ""}.`}
          </p>
          <ol className="records" data-testid="rule-list">
            {rules.effects.map(({ rule, sentence, matches, may_go, protects }) => (
              <li key={rule ?? ""} className="record" data-testid="rule-row" data-rule={rule ?? ""}>
                <div className="record-head">
                  <strong dir="auto">{rule ?? "No rule"}</strong>
                </div>
                <p dir="auto">{sentence}</p>
                <p className="quiet">
                  Matches {amount(matches)}; {amount(may_go)} may go; it protects {amount(protects)}.
                </p>
              </li>
            ))}
          </ol>
        </>
      )}
    </section>
  );
}

const amount = ({ bytes: size, objects }: Amount) => (objects === 0 ? "nothing" : `${plural(objects, "object")} (${bytes(size)})`);

function boundsOf({ bounds }: RetentionRules): string {
  if (!bounds) return "The cache has no bounds.";
  const { unit, upper, lower } = bounds;
  if (unit === "hours") return `When less than ${lower} hours of headroom are left, room is made for ${upper}.`;
  const said = (value: number) => (unit === "bytes" ? bytes(value) : `${value} %`);
  return `Above ${said(upper)}, the cache is emptied down to ${said(lower)}.`;
}

import { useState } from "react";
import { makePlan, type PlanItem, planItems, type RetentionPlan, retentionPlans } from "../api/retention";
import { may } from "../api/session";
import { ListPage } from "../lists/list-page";
import { usePages } from "../lists/use-pages";
import { bytes, moment, plural } from "../model/when";
import { useAnnounce } from "../parts/announcer";
import { ProblemNotice } from "../parts/problem-notice";
import { useAct } from "../parts/use-act";
import type { ViewProps } from "./view-props";

/** What would go, and by which rule. */
export function PlansView({ bar }: ViewProps) {
  const pages = usePages(retentionPlans);
  const { working, problem, run } = useAct();
  const [said, setSaid] = useState<string | null>(null);
  const announce = useAnnounce();
  const make = () =>
    void run(async () => {
      const made = await makePlan();
      announce(`Plan ${made.plan} is made. Nothing has gone.`);
      setSaid(made.hindrance ?? null);
      pages.restart();
    });
  return (
    <ListPage
      title="Plans"
      pages={pages}
      counted={(count) => plural(count, "plan")}
      lead="A plan says what would go by the rules in force, and removes nothing. It is carried out with kinote retention evict."
      bar={
        <>
          {bar}
          {may("examine") && (
            <div className="act-bar">
              <button
                type="button"
                className="button"
                aria-disabled={working}
                onClick={() => working || make()}
                data-testid="make-plan"
              >
                {working ? "Planning…" : "Make a plan"}
              </button>
            </div>
          )}
          {said && <p data-testid="plan-hindrance">{said}</p>}
          {problem && <ProblemNotice problem={problem} onRetry={make} />}
        </>
      }
      nothing={
        <div className="empty" data-testid="no-plans">
          <h2>No plans</h2>
          <p>Make one to see what would go.</p>
        </div>
      }
      testids={{ count: "plan-count", more: "more-plans" }}
    >
      <ul className="records" data-testid="plan-list">
        {pages.items.map((plan) => (
          <PlanRow key={plan.plan} plan={plan} />
        ))}
      </ul>
    </ListPage>
  );
}

function PlanRow({ plan }: { plan: RetentionPlan }) {
  const [items, setItems] = useState<PlanItem[] | null>(null);
  const { problem, run } = useAct();
  const show = () => void run(async () => setItems(items ? null : (await planItems(plan.plan)).items));
  return (
    <li className="record" data-testid="plan-row" data-plan={plan.plan}>
      <div className="record-head">
        <strong>Plan {plan.plan}</strong>
        <span>
          frees {bytes(plan.frees)} of {bytes(plan.wanted)} wanted: {plural(plan.objects, "object")}
        </span>
        {!plan.is_enough && <span className="badge badge-warning">not enough may go</span>}
      </div>
      <p className="quiet">
        Made {moment(plan.made_at)}
        {plan.made_by && ` by ${plan.made_by}`}
      </p>
      {plan.objects > 0 && (
        <div className="act-bar">
          <button type="button" className="button" aria-expanded={items !== null} onClick={show} data-testid="plan-items">
            What would go first
          </button>
        </div>
      )}
      {problem && <ProblemNotice problem={problem} onRetry={show} />}
      {items && (
        <ul>
          {items.map((item) => (
            <li key={item.sop_instance_uid}>
              <code>{item.sop_instance_uid}</code>, {bytes(item.bytes)}, {item.rule ?? "by no rule"}
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}

import { evictions } from "../api/retention";
import { ListPage } from "../lists/list-page";
import { usePages } from "../lists/use-pages";
import { bytes, moment, plural } from "../model/when";
import { Link } from "../router";
import type { ViewProps } from "./view-props";

/** What was evicted and what was not, each with its reason. */
export function LedgerView({ bar }: ViewProps) {
  const pages = usePages(evictions);
  return (
    <ListPage
      title="Evictions"
      pages={pages}
      counted={(count) => plural(count, "object")}
      lead="What was evicted, by which rule; what stayed though a plan had it, and why; and when it came back."
      bar={bar}
      nothing={
        <div className="empty" data-testid="no-evictions">
          <h2>Nothing was evicted</h2>
          <p>Objects that plans have evicted or left would be here.</p>
        </div>
      }
      testids={{ count: "eviction-count", more: "more-evictions" }}
    >
      <ul className="records" data-testid="eviction-list">
        {pages.items.map((each) => (
          <li key={each.id} className="record" data-testid="eviction-row">
            <div className="record-head">
              <span className={`badge ${each.outcome === "kept" ? "badge-info" : ""}`}>{each.outcome}</span>
              <Link href={`/explain?what=uid&text=${encodeURIComponent(each.sop_instance_uid)}`}>
                {each.sop_instance_uid}
              </Link>
              <span className="quiet">{bytes(each.bytes)}</span>
            </div>
            <p>
              {moment(each.at)}, plan {each.plan}, {each.rule ? `by the rule ${each.rule}` : "by no rule"}
              {each.by && `, ${each.by}`}
              {each.recalled_at && `; came back ${moment(each.recalled_at)}`}.
            </p>
            {each.reason && <p>{each.reason}</p>}
          </li>
        ))}
      </ul>
    </ListPage>
  );
}

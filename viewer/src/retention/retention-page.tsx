import { may } from "../api/session";
import { RETENTION_VIEW } from "../operations/filters";
import { Link } from "../router";
import { CacheView } from "./cache-view";
import { HoldsView } from "./holds-view";
import { LedgerView } from "./ledger-view";
import { PlansView } from "./plans-view";
import { RulesView } from "./rules-view";

const VIEWS = [
  ["cache", "Cache", "observe", CacheView],
  ["rules", "Rules", "examine", RulesView],
  ["plans", "Plans", "examine", PlansView],
  ["holds", "Holds", "examine", HoldsView],
  ["evictions", "Evictions", "examine", LedgerView],
] as const;

/** What is kept in the cache, what goes from it, and why. */
export function RetentionPage({ query }: { query: URLSearchParams }) {
  const { view } = RETENTION_VIEW.read(query);
  const offered = VIEWS.filter(([, , right]) => may(right));
  const [shown, , , View] = offered.find(([name]) => name === view) ?? VIEWS[0];
  const bar = (
    <nav className="tabs" aria-label="Views of retention">
      {offered.map(([name, text]) => (
        <Link
          key={name}
          href={RETENTION_VIEW.write({ view: name })}
          className="tab"
          aria-current={shown === name ? "page" : undefined}
          data-testid={`retention-${name}`}
        >
          {text}
        </Link>
      ))}
    </nav>
  );
  return <View bar={bar} />;
}

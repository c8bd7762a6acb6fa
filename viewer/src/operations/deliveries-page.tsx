import { useCallback, useEffect, useState } from "react";
import { deliveries, type DeliveryFilter, type DeliveryNumber } from "../api/deliveries";
import { ChoiceField } from "../lists/filter-fields";
import { ListPage } from "../lists/list-page";
import { useFilteredList } from "../lists/use-filtered-list";
import { moment, plural } from "../model/when";
import { ProblemNotice } from "../parts/problem-notice";
import { useAct } from "../parts/use-act";
import { DELIVERY_STATES, DeliveryRow } from "./delivery-row";
import { DELIVERY_FILTER } from "./filters";

/** What is sent to other systems: what is under way, and what failed and why. */
export function DeliveriesPage({ query }: { query: URLSearchParams }) {
  const [numbers, setNumbers] = useState<DeliveryNumber[]>([]);
  const { problem, run } = useAct();
  const list = useFilteredList(query, DELIVERY_FILTER, deliveries);
  const { pages, filter, change, rows } = list;
  const refresh = useCallback(() => {
    void run(async () => setNumbers((await deliveries({ state: "", destination: "" }, null)).numbers));
  }, [run]);
  useEffect(refresh, [refresh]);
  const anew = () => {
    refresh();
    pages.restart();
  };
  return (
    <ListPage
      title="Deliveries"
      pages={pages}
      counted={(count) => plural(count, "delivery", "deliveries")}
      lead="What is sent to other systems. A delivery is done when its destination has confirmed every object; afterwards it is asked what it has."
      bar={
        <>
          {problem && <ProblemNotice problem={problem} onRetry={refresh} />}
          <Numbers numbers={numbers} />
          <form className="filter-bar" onSubmit={(event) => event.preventDefault()}>
            <ChoiceField
              label="State"
              value={filter.state}
              testid="delivery-state-filter"
              onChange={(state) => change({ state })}
            >
              <option value="">Any</option>
              {Object.entries(DELIVERY_STATES).map(([state, name]) => (
                <option key={state} value={state}>
                  {name}
                </option>
              ))}
            </ChoiceField>
            <button type="button" className="button" onClick={anew} data-testid="deliveries-refresh">
              Refresh
            </button>
          </form>
        </>
      }
      nothing={<NoDeliveries filter={filter} />}
      testids={{ count: "delivery-count", more: "more-deliveries" }}
      rows={rows}
    >
      <ul className="records" data-testid="delivery-list">
        {pages.items.map((delivery) => (
          <DeliveryRow key={delivery.id} listed={delivery} onChanged={refresh} />
        ))}
      </ul>
    </ListPage>
  );
}

/** How many deliveries are in each state that has not ended well, and the age of the oldest. */
function Numbers({ numbers }: { numbers: DeliveryNumber[] }) {
  const shown = numbers.filter(({ state }) => state !== "done" && state !== "cancelled");
  if (shown.length === 0) return null;
  return (
    <ul className="summary-numbers" data-testid="delivery-numbers">
      {shown.map(({ state, count, is_more, oldest_ordered_at }) => (
        <li key={state}>
          <strong>
            {count}
            {is_more && "+"}
          </strong>{" "}
          {DELIVERY_STATES[state].toLowerCase()}, the oldest of{" "}
          <time dateTime={oldest_ordered_at}>{moment(oldest_ordered_at)}</time>
        </li>
      ))}
    </ul>
  );
}

function NoDeliveries({ filter }: { filter: DeliveryFilter }) {
  const isFiltered = filter.state !== "" || filter.destination !== "";
  return (
    <div className="empty" data-testid="no-deliveries">
      <h2>{isFiltered ? "No such delivery" : "No deliveries"}</h2>
      <p>
        {isFiltered
          ? "No delivery is in this state, or goes to this destination."
          : "Studies, notes and notices that are sent to other systems would be here."}
      </p>
    </div>
  );
}

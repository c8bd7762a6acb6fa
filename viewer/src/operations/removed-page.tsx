import { removed, removedCsv } from "../api/operations";
import { DayField } from "../lists/filter-fields";
import { ListPage } from "../lists/list-page";
import { useFilteredList } from "../lists/use-filtered-list";
import { personName, plural } from "../model/when";
import { Download } from "../parts/icons";
import { go, Link } from "../router";
import { lastDays, PERIOD, USUAL } from "./period";

/** What was removed from use in a period: by whom and why, counted, and all of it as CSV. */
export function RemovedPage({ query }: { query: URLSearchParams }) {
  const { pages, filter, change, rows } = useFilteredList(query, PERIOD, removed);
  const instances = pages.items.reduce((sum, each) => sum + each.instances, 0);
  return (
    <ListPage
      title="Removed in this period"
      pages={pages}
      counted={() => plural(instances, "instance")}
      lead="What was taken out of use in a period, by whom and why. What was undone or purged since is counted, too. The CSV file has each act, with its studies."
      bar={
        <form className="filter-bar" onSubmit={(event) => event.preventDefault()}>
          <DayField
            label="From"
            value={filter.from}
            max={filter.to}
            testid="removed-from"
            onChange={(from) => change({ from })}
          />
          <DayField
            label="To"
            value={filter.to}
            min={filter.from}
            testid="removed-to"
            onChange={(to) => change({ to })}
          />
          {USUAL.map(([name, days]) => (
            <button
              key={name}
              type="button"
              className="button plain"
              onClick={() => go(PERIOD.write(lastDays(days)), "replace")}
              data-testid={`removed-${days}`}
            >
              {name}
            </button>
          ))}
          <a className="button" href={removedCsv(filter)} download data-testid="removed-csv">
            <Download /> CSV
          </a>
        </form>
      }
      nothing={
        <div className="empty" data-testid="nothing-removed">
          <h2>Nothing was removed in this period</h2>
          <p>Withdrawn notes and objects would be here, counted by who withdrew them and why.</p>
        </div>
      }
      testids={{ count: "removed-count", more: "more-removed" }}
      rows={rows}
    >
      {pages.items.length > 0 && (
        <table className="record-table" data-testid="removed-list">
          <thead>
            <tr>
              <th scope="col">Why</th>
              <th scope="col">By whom</th>
              <th scope="col">Acts</th>
              <th scope="col">Instances</th>
              <th scope="col">
                <span className="visually-hidden">Look</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {pages.items.map((each) => (
              <tr key={`${each.act} ${each.by?.kind} ${each.by?.name}`} data-testid="removed-row">
                <th scope="row">
                  <strong>{each.act}</strong>
                  {each.sentence && <div className="quiet">{each.sentence}</div>}
                </th>
                <td data-label="By whom" dir="auto">
                  {personName(each.by?.name) || "not recorded"}
                </td>
                <td className="cell-count" data-label="Acts">
                  {each.withdrawals}
                </td>
                <td className="cell-count" data-label="Instances">
                  {each.instances}
                </td>
                <td>
                  <Link
                    href={`/withdrawals?${new URLSearchParams({
                      act: each.act,
                      ...(each.by?.name && { who: each.by.name }),
                      from: filter.from,
                      to: filter.to,
                    }).toString()}`}
                  >
                    Each of them
                  </Link>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </ListPage>
  );
}

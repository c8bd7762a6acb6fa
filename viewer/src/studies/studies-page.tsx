import { studies } from "../api/client";
import { ListPage } from "../lists/list-page";
import { useFilteredList } from "../lists/use-filtered-list";
import { plural } from "../model/when";
import { go } from "../router";
import { STUDY_FILTER } from "./study-filter";
import { StudyFilterBar } from "./study-filter-bar";
import { StudyTable } from "./study-table";

/** The list of studies. */
export function StudiesPage({ query }: { query: URLSearchParams }) {
  const list = useFilteredList(query, STUDY_FILTER, studies);
  const { pages } = list;
  return (
    <ListPage
      title="Studies"
      pages={pages}
      counted={(count) => plural(count, "study", "studies")}
      bar={<StudyFilterBar list={list} />}
      nothing={<Nothing filtered={list.isFiltered} />}
      testids={{ count: "study-count", more: "more-studies" }}
      rows={list.rows}
    >
      {pages.starting && !pages.problem && <div className="skeleton-rows" aria-hidden="true" />}
      {pages.items.length > 0 && <StudyTable studies={pages.items} />}
    </ListPage>
  );
}

function Nothing({ filtered }: { filtered: boolean }) {
  return filtered ? (
    <div className="empty" data-testid="no-studies">
      <h2>No study matches</h2>
      <p>
        Search looks for the beginnings of words in names, patient IDs, accession numbers and descriptions.
      </p>
      <button type="button" className="button" onClick={() => go("/")}>
        Clear the search
      </button>
    </div>
  ) : (
    <div className="empty" data-testid="no-studies">
      <h2>No studies yet</h2>
      <p>
        Bring some in with <code>kinote import PATH</code>, or store them by DICOMweb at{" "}
        <code>/dicomweb/studies</code>.
      </p>
    </div>
  );
}

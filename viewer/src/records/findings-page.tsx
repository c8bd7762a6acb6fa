import { useState } from "react";
import { findings, registerAgain } from "../api/client";
import type { FoundObject, RegisteredAgain } from "../api/contract";
import { asProblem, type Problem } from "../api/problem";
import { may } from "../api/session";
import { ListPage } from "../lists/list-page";
import { usePages } from "../lists/use-pages";
import { plural } from "../model/when";
import { useAnnounce } from "../parts/announcer";
import { FindingList } from "../parts/finding-list";
import { ProblemNotice } from "../parts/problem-notice";
import { Link, studyAddress } from "../router";

/** Received objects that were not fully understood, and why. */
export function FindingsPage() {
  const pages = usePages(findings);
  return (
    <ListPage
      title="Findings"
      pages={pages}
      counted={(count) => plural(count, "object")}
      lead={
        <>
          Received Key Object Selection documents in which something is off, and objects that differ from the others
          of their study. All of them are kept and handed on exactly as received.
        </>
      }
      nothing={
        <div className="empty" data-testid="no-findings">
          <h2>No findings</h2>
          <p>Every object received so far was understood.</p>
        </div>
      }
      testids={{ more: "more-findings" }}
    >
      <ul className="records" data-testid="findings-list">
        {pages.items.map((object) => (
          <FoundRow key={object.sop_instance_uid} found={object} />
        ))}
      </ul>
    </ListPage>
  );
}

const BADGES: Record<string, string> = {
  unreadable: "badge-error",
  "registered with findings": "badge-warning",
};

/** One object: what was found in it, and reading it again, as one does after an update. */
function FoundRow({ found }: { found: FoundObject }) {
  const [again, setAgain] = useState<RegisteredAgain | null>(null);
  const [reading, setReading] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const announce = useAnnounce();
  const object = again ?? found;

  const readAgain = async () => {
    setReading(true);
    setProblem(null);
    try {
      const became = await registerAgain(found.sop_instance_uid);
      setAgain(became);
      announce(became.changed ? `Read again: ${became.registration}` : "Read again: nothing has changed");
    } catch (thrown) {
      setProblem(asProblem(thrown));
    }
    setReading(false);
  };

  return (
    <li className="record" data-testid="findings-row">
      <div className="record-head">
        {object.registration && (
          <span className={`badge ${BADGES[object.registration] ?? ""}`}>{object.registration}</span>
        )}
        <code className="uid">{object.sop_instance_uid}</code>
        {object.study_instance_uid && (
          <Link href={studyAddress(object.study_instance_uid)}>Open its study</Link>
        )}
        {object.registration && may("operate") && (
          <button
            type="button"
            className="button"
            aria-label={`Read ${object.sop_instance_uid} again`}
            aria-disabled={reading}
            onClick={() => reading || void readAgain()}
            data-testid="read-again"
          >
            Read again
          </button>
        )}
      </div>
      {problem && <ProblemNotice problem={problem} />}
      <FindingList findings={object.findings} />
    </li>
  );
}

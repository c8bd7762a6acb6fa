import { useEffect } from "react";
import { findings } from "../api/client";
import { plural } from "../model/when";
import { FindingList } from "../parts/finding-list";
import { MoreButton } from "../parts/more-button";
import { ProblemNotice } from "../parts/problem-notice";
import { usePages } from "../parts/use-pages";
import { Link, studyAddress } from "../router";

/** Received objects that were not fully understood, and why. */
export function FindingsPage() {
  const pages = usePages(findings);
  useEffect(() => {
    document.title = "Findings · Kinote";
  }, []);
  return (
    <section className="page" aria-labelledby="findings-title">
      <div className="page-head">
        <h1 id="findings-title">Findings</h1>
        <p className="quiet">{pages.items.length > 0 ? plural(pages.items.length, "object") : ""}</p>
      </div>
      <p className="lead">
        Received Key Object Selection documents in which something is off. All of them are kept and handed on
        exactly as received.
      </p>
      {pages.problem && <ProblemNotice problem={pages.problem} onRetry={pages.retry} />}
      {!pages.starting && !pages.problem && pages.items.length === 0 && (
        <div className="empty" data-testid="no-findings">
          <h2>No findings</h2>
          <p>Every document received so far was understood.</p>
        </div>
      )}
      <ul className="records" data-testid="findings-list">
        {pages.items.map((object) => (
          <li key={object.sop_instance_uid} className="record" data-testid="findings-row">
            <div className="record-head">
              {object.registration && (
                <span
                  className={`badge ${object.registration === "unreadable" ? "badge-error" : "badge-warning"}`}
                >
                  {object.registration}
                </span>
              )}
              <code className="uid">{object.sop_instance_uid}</code>
              {object.study_instance_uid && (
                <Link href={studyAddress(object.study_instance_uid)}>Open its study</Link>
              )}
            </div>
            <FindingList findings={object.findings ?? []} />
          </li>
        ))}
      </ul>
      <MoreButton pages={pages} testid="more-findings" />
    </section>
  );
}

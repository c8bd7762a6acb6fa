import { type ReactNode, useCallback, useState } from "react";
import {
  type Archive,
  archiveOf,
  archives,
  askForCommitment,
  type CommitmentRequest,
  commitmentRequests,
  proveRecall,
  resumeArchive,
} from "../api/archives";
import { may } from "../api/session";
import { ListPage } from "../lists/list-page";
import { MoreButton } from "../lists/more-button";
import { usePages } from "../lists/use-pages";
import { moment, plural } from "../model/when";
import { useAnnounce } from "../parts/announcer";
import { ProblemNotice } from "../parts/problem-notice";
import { useAct } from "../parts/use-act";

/** Who holds objects for us: what each has committed to, and whether its word counts. */
export function ArchivesList({ bar }: { bar: ReactNode }) {
  const pages = usePages(archives);
  return (
    <ListPage
      title="Archives"
      pages={pages}
      counted={(count) => plural(count, "archive")}
      lead="Objects leave the cache only on the word of an archive that has committed to them and has proved a recall."
      bar={bar}
      nothing={
        <div className="empty" data-testid="no-archives">
          <h2>No archives</h2>
          <p>Nothing is evicted. A peer is made an archive with kinote archives set, or the REST API.</p>
        </div>
      }
      testids={{ count: "archive-count", more: "more-archives" }}
    >
      <ul className="records" data-testid="archive-list">
        {pages.items.map((archive) => (
          <ArchiveRow key={archive.peer.id} listed={archive} />
        ))}
      </ul>
    </ListPage>
  );
}

function ArchiveRow({ listed }: { listed: Archive }) {
  const [changed, setChanged] = useState<Archive | null>(null);
  const [showing, setShowing] = useState(false);
  const [said, setSaid] = useState("");
  const { working, problem, run } = useAct();
  const announce = useAnnounce();
  const archive = changed ?? listed;
  const { evidence, policy, proof, suspended } = archive;
  const key = archive.peer.id;
  const does = (what: () => Promise<string>) => () => {
    if (working) return;
    void run(async () => {
      const done = await what();
      setSaid(done);
      announce(done);
      setChanged(await archiveOf(key));
    });
  };
  return (
    <li className="record" data-testid="archive-row" data-archive={archive.peer.name}>
      <div className="record-head">
        <strong dir="auto">{archive.peer.name}</strong>
        <span className={`badge ${stateOf(archive)[1]}`} data-testid="archive-state">
          {stateOf(archive)[0]}
        </span>
        <span>{COMMITS[policy.commitment]}</span>
      </div>
      {archive.hindrance && <p data-testid="archive-hindrance">{archive.hindrance}</p>}
      <p data-testid="archive-evidence">
        {plural(evidence.committed, "object")} committed
        {evidence.oldest && `, the oldest ${moment(evidence.oldest)}`}
        {evidence.too_old > 0 && `, ${evidence.too_old} of them longer than ${plural(policy.renew_days, "day")} ago, which does not count`}
        ; {evidence.acknowledged} acknowledged only.{" "}
        {proof.result && proof.at ? `Recall ${proof.result} ${moment(proof.at)}.` : "No recall is proved yet."}
      </p>
      {proof.report?.sentence && !suspended && <p dir="auto">{proof.report.sentence}</p>}
      <div className="act-bar">
        {may("operate") && suspended && (
          <button
            type="button"
            className="button"
            aria-disabled={working}
            onClick={does(async () => {
              await resumeArchive(key);
              return `${archive.peer.name} is relied upon again`;
            })}
            data-testid="archive-resume"
          >
            Rely on it again
          </button>
        )}
        {may("operate") && (
          <button
            type="button"
            className="button"
            aria-disabled={working}
            onClick={does(async () => (await proveRecall(key)).sentence)}
            data-testid="archive-prove"
          >
            Prove a recall
          </button>
        )}
        {may("operate") && policy.commitment !== "none" && (
          <button
            type="button"
            className="button"
            aria-disabled={working}
            onClick={does(async () => `Job ${(await askForCommitment(key)).job} asks for commitment`)}
            data-testid="archive-ask"
          >
            Ask for commitment
          </button>
        )}
        {may("examine") && (
          <button
            type="button"
            className="button"
            aria-expanded={showing}
            onClick={() => setShowing(!showing)}
            data-testid="archive-requests"
          >
            Requests
          </button>
        )}
      </div>
      {said && (
        <p aria-live="polite" data-testid="archive-said">
          {said}
        </p>
      )}
      {problem && <ProblemNotice problem={problem} />}
      {showing && <Requests archive={key} />}
    </li>
  );
}

const COMMITS: Record<Archive["policy"]["commitment"], string> = {
  dimse: "commits by DICOM",
  dicomweb: "commits by DICOMweb",
  none: "gives no commitment",
};

function stateOf(archive: Archive): [string, string] {
  if (archive.suspended) return ["suspended", "badge-error"];
  if (archive.proof.result === "refused") return ["refused", "badge-error"];
  return archive.hindrance ? ["not relied upon yet", "badge-warning"] : ["relied upon", "badge-info"];
}

function Requests({ archive }: { archive: number }) {
  const fetchPage = useCallback(
    (cursor: string | null, signal: AbortSignal) => commitmentRequests(archive, cursor, signal),
    [archive],
  );
  const pages = usePages<CommitmentRequest>(fetchPage);
  return (
    <div className="record-part" data-testid="archive-request-list">
      {pages.problem && <ProblemNotice problem={pages.problem} onRetry={pages.retry} />}
      {!pages.starting && pages.items.length === 0 && <p>It has not been asked for commitment yet.</p>}
      <ul>
        {pages.items.map((each) => (
          <li key={each.id}>
            <span className="badge">{each.state}</span> {moment(each.made)}: {each.instances.committed} committed,{" "}
            {each.instances.failed} refused, {each.instances.omitted} left out, {each.instances.asked} without an answer
            {each.fault && (
              <>
                . <span dir="auto">{each.fault}</span>
              </>
            )}
          </li>
        ))}
      </ul>
      <MoreButton pages={pages} testid="more-requests" />
    </div>
  );
}

import { Fragment, useState } from "react";
import { held, heldFile } from "../api/client";
import type { HeldCopy } from "../api/contract";
import { ListPage } from "../lists/list-page";
import { usePages } from "../lists/use-pages";
import { bytes, moment } from "../model/when";
import { Download } from "../parts/icons";
import { Link, studyAddress } from "../router";
import { HeldComparisonPanel } from "./held-comparison";

/** Copies kept aside because their UID was taken by something else: see, compare, download, decide. */
export function HeldPage() {
  const pages = usePages(held);
  const [compared, setCompared] = useState<HeldCopy["id"] | null>(null);
  const decided = () => {
    setCompared(null);
    pages.restart();
  };
  return (
    <ListPage
      title="Held copies"
      pages={pages}
      lead={
        <>
          Objects that came with the UID of another object. The first one stays live; these were kept exactly as
          received and are shown nowhere else.
        </>
      }
      nothing={
        <div className="empty" data-testid="no-held">
          <h2>Nothing is held</h2>
          <p>Every object received so far has its own place.</p>
        </div>
      }
      testids={{ more: "more-held" }}
    >
      {pages.items.length > 0 && (
        <table className="record-table" data-testid="held-list">
          <thead>
            <tr>
              <th scope="col">Object</th>
              <th scope="col">Patient</th>
              <th scope="col">Why it is held</th>
              <th scope="col">Received</th>
              <th scope="col">Size</th>
              <th scope="col">File</th>
            </tr>
          </thead>
          <tbody>
            {pages.items.map((copy) => (
              <Fragment key={copy.id}>
              <tr data-testid="held-row">
                <th scope="row">
                  <code className="uid">{copy.sop_instance_uid}</code>
                  <div className="quiet">
                    <Link href={studyAddress(copy.study_instance_uid)}>The study it names</Link>
                  </div>
                </th>
                <td data-label="Patient">{copy.patient_id || "No ID"}</td>
                <td data-label="Why it is held">{copy.reason}</td>
                <td className="cell-date" data-label="Received">{moment(copy.received_at)}</td>
                <td className="cell-count" data-label="Size" title={copy.digest}>
                  {bytes(copy.size)}
                </td>
                <td>
                  <button
                    type="button"
                    className="button"
                    aria-expanded={compared === copy.id}
                    aria-label={`Compare held copy ${copy.sop_instance_uid}`}
                    onClick={() => setCompared(compared === copy.id ? null : copy.id)}
                    data-testid="held-compare"
                  >
                    {compared === copy.id ? "Close" : "Compare and decide"}
                  </button>
                  <a
                    className="button"
                    href={heldFile(copy.id)}
                    download
                    aria-label={`Download held copy ${copy.sop_instance_uid}`}
                    data-testid="held-file"
                  >
                    <Download /> Download
                  </a>
                </td>
              </tr>
              {compared === copy.id && (
                <tr>
                  <td colSpan={6}>
                    <HeldComparisonPanel copy={copy} onDecided={decided} />
                  </td>
                </tr>
              )}
              </Fragment>
            ))}
          </tbody>
        </table>
      )}
    </ListPage>
  );
}

import type { FoundNote, Reference } from "../api/contract";
import { thumbnailAddress } from "../api/pictures";
import { framesOf, tilesOf } from "../model/notes";
import { titleText } from "../model/titles";
import { day, moment, personName, plural } from "../model/when";
import { Picture } from "../parts/picture";
import { Link, studyAddress } from "../router";

/** The first image that can be shown; one of the note's own study, if there is any, since its link goes there. */
function firstImage(note: FoundNote): Reference | null {
  const shown = note.references.filter(
    (reference) => reference.status === "resolved" && reference.series_instance_uid,
  );
  return shown.find((one) => one.study_instance_uid === note.study_instance_uid) ?? shown[0] ?? null;
}

export function NoteRow({ note }: { note: FoundNote }) {
  const image = firstImage(note);
  const frame = image ? (framesOf(image)[0] ?? null) : null;
  const study = image?.study_instance_uid ?? note.study_instance_uid;
  const address = studyAddress(study, {
    note: String(note.id),
    sop: image?.sop_instance_uid ?? null,
    frame,
  });
  const picture =
    image?.series_instance_uid &&
    thumbnailAddress({ study, series: image.series_instance_uid, sop: image.sop_instance_uid }, frame);
  return (
    <li className="note-row" data-testid="note-row" data-note={note.id}>
      <Picture address={picture || null} text="" className="row-picture" />
      <div className="note-row-text">
        <div className="note-row-head">
          <Link href={address} data-row className="row-name">
            {titleText(note.title)}
          </Link>
          {note.modifiers.map((modifier) => (
            <span key={`${modifier.scheme} ${modifier.value}`} className="chip">
              {modifier.meaning || modifier.value}
            </span>
          ))}
          {note.origin !== "authored" && (
            <span className={`badge origin-${note.origin}`}>{note.origin}</span>
          )}
        </div>
        {note.description && (
          <p className="note-description" dir="auto" lang={note.language || undefined}>
            {note.description}
          </p>
        )}
        <p className="quiet">
          {[personName(note.author?.name), moment(note.created), plural(tilesOf(note).length, "key image")]
            .filter(Boolean)
            .join(" · ")}
        </p>
      </div>
      <StudyOfNote note={note} />
    </li>
  );
}

function StudyOfNote({ note: { study } }: { note: FoundNote }) {
  if (!study) return <div className="note-row-study quiet">Its study is not here</div>;
  return (
    <div className="note-row-study" data-testid="note-row-study">
      {personName(study.patient_name) || "No name"}
      <span className="quiet">{study.patient_id}</span>
      <span className="quiet">
        {[day(study.study_date), study.description].filter(Boolean).join(" · ") || "No description"}
      </span>
    </div>
  );
}

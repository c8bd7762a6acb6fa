import type { StudySummary } from "../api/contract";
import { thumbnailAddress } from "../api/pictures";
import { ageAt, clock, day, personName, plural } from "../model/when";
import { Star } from "../parts/icons";
import { Picture } from "../parts/picture";
import { go, Link, studyAddress } from "../router";

export function StudyTable({ studies }: { studies: StudySummary[] }) {
  return (
    <table className="study-table" data-testid="study-list">
      <thead>
        <tr>
          <th scope="col">
            <span className="visually-hidden">Picture</span>
          </th>
          <th scope="col">Patient</th>
          <th scope="col">Date</th>
          <th scope="col">Study</th>
          <th scope="col">Images</th>
          <th scope="col">Notes</th>
        </tr>
      </thead>
      <tbody>
        {studies.map((study) => (
          <StudyRow key={study.study_instance_uid} study={study} />
        ))}
      </tbody>
    </table>
  );
}

function StudyRow({ study }: { study: StudySummary }) {
  const address = studyAddress(study.study_instance_uid);
  const thumbnail = study.thumbnail && {
    study: study.study_instance_uid,
    series: study.thumbnail.series_instance_uid,
    sop: study.thumbnail.sop_instance_uid,
  };
  const age = ageAt(study.patient_birth_date, study.study_date);
  const facts = [study.patient_id, study.patient_sex, age === null ? "" : `${age} y`]
    .filter(Boolean)
    .join(" · ");
  return (
    // The row is a larger target for the pointer; the link in it is what keyboard and screen reader use.
    <tr
      data-testid="study-row"
      data-study={study.study_instance_uid}
      onClick={(event) => {
        if (!(event.target as HTMLElement).closest("a")) go(address);
      }}
    >
      <td className="cell-picture">
        <Picture address={thumbnail && thumbnailAddress(thumbnail)} text="" className="row-picture" />
      </td>
      <th scope="row">
        <Link href={address} data-row className="row-name">
          {personName(study.patient_name) || "No name"}
        </Link>
        <div className="quiet">{facts}</div>
      </th>
      <td className="cell-date">
        {day(study.study_date) || "No date"}
        <div className="quiet">{clock(study.study_time)}</div>
      </td>
      <td>
        <span className="chips">
          {study.modalities.map((modality) => (
            <span key={modality} className="chip">
              {modality}
            </span>
          ))}
          <span>{study.description || "No description"}</span>
        </span>
        {study.accession_number && <div className="quiet">Accession {study.accession_number}</div>}
      </td>
      <td className="cell-count" data-testid="image-count">
        {study.image_count}
        <div className="quiet">in {plural(study.image_series_count, "series", "series")}</div>
      </td>
      <td>
        {study.note_count > 0 && (
          <span className="star-count" data-testid="note-mark" title={plural(study.note_count, "note")}>
            <Star filled />
            <span aria-hidden="true">{study.note_count}</span>
            <span className="visually-hidden">{plural(study.note_count, "note")}</span>
          </span>
        )}
      </td>
    </tr>
  );
}

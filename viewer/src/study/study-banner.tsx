import type { Study } from "../api/contract";
import { Link } from "../router";
import { HoldStudy } from "../retention/hold-study";
import { ageAt, clock, day, personName } from "../model/when";

/** Whose study this is. */
export function StudyBanner({ study }: { study: Study }) {
  const age = ageAt(study.patient_birth_date, study.study_date);
  const facts = [
    study.patient_id && `ID ${study.patient_id}`,
    study.patient_birth_date && `born ${day(study.patient_birth_date)}${age === null ? "" : ` (${age} y)`}`,
    study.patient_sex,
  ].filter(Boolean);
  const about = [
    `${day(study.study_date)} ${clock(study.study_time)}`.trim(),
    study.description,
    study.accession_number && `accession ${study.accession_number}`,
  ].filter(Boolean);
  return (
    <div className="banner">
      <h1 data-testid="patient-name">{personName(study.patient_name) || "No name"}</h1>
      <span className="quiet">{facts.join(" · ")}</span>
      <span className="banner-study">{about.join(" · ")}</span>
      <HoldStudy study={study.study_instance_uid} />
      {study.patient_conflict && (
        <p className="banner-conflict" role="alert" data-testid="patient-conflict">
          {study.patient_conflict.sentence} <Link href="/held">Held copies</Link>
        </p>
      )}
    </div>
  );
}

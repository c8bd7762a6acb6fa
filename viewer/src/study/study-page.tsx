import { useEffect } from "react";
import { StudyDesk } from "../desk/study-desk";
import { personName } from "../model/when";
import { ProblemNotice } from "../parts/problem-notice";
import { Link } from "../router";
import { createRenderedViewport } from "../viewport/rendered/rendered-viewport";
import { StudyBanner } from "./study-banner";
import { useStudy } from "./use-study";

/** One study: its series, its pictures, its notes. */
export function StudyPage({ uid }: { uid: string }) {
  const { study, titles, problem, reload } = useStudy(uid);
  const name = study ? personName(study.patient_name) || "No name" : "Study";
  useEffect(() => {
    document.title = `${name} · Kinote`;
  }, [name]);
  if (study) {
    return (
      <div className="study-page" data-testid="study-page">
        <StudyBanner study={study} />
        <StudyDesk study={study} titles={titles} createViewport={createRenderedViewport} />
      </div>
    );
  }
  return (
    <section className="page">
      {problem ? (
        <>
          <h1>{problem.status === 404 ? "There is no such study" : "The study cannot be opened"}</h1>
          <ProblemNotice problem={problem} onRetry={reload} />
          <p>
            <Link href="/">Back to the list of studies</Link>
          </p>
        </>
      ) : (
        <p className="quiet" aria-live="polite">
          Opening the study…
        </p>
      )}
    </section>
  );
}

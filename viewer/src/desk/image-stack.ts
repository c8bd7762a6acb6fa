// The images of a study as a viewport takes them, and what they are called.
import type { Series, Study } from "../api/contract";
import type { Position } from "../model/positions";
import type { ImageStack } from "../viewport/viewport";

/** How an image is called here, e.g. "Axial · 14"; null for one this study does not have. */
export type NameOf = (sop: string) => string | null;

/** The presentation state with which the chosen note wants an image, or a frame of it, shown; null: as stored. */
export type StateOf = (sop: string, frame: number | null) => string | null;

export function imageNames(study: Study): NameOf {
  const names = new Map<string, string>();
  for (const series of study.series) {
    const label = series.description || series.modality || "Series";
    series.instances.forEach((instance, index) => {
      names.set(instance.sop_instance_uid, `${label} · ${instance.number ?? index + 1}`);
    });
  }
  return (sop) => names.get(sop) ?? null;
}

export function captionOf({ instance, frame }: Position, nameOf: NameOf): string {
  const name = nameOf(instance.sop_instance_uid) ?? "";
  return frame === null ? name : `${name}, frame ${frame} of ${instance.frames}`;
}

export const stackOf = (
  study: Study,
  series: Series,
  positions: readonly Position[],
  nameOf: NameOf,
  stateOf: StateOf,
): ImageStack => ({
  series: series.series_instance_uid,
  images: positions.map((position) => ({
    study: study.study_instance_uid,
    series: series.series_instance_uid,
    sop: position.instance.sop_instance_uid,
    frame: position.frame,
    rows: position.instance.rows,
    columns: position.instance.columns,
    caption: captionOf(position, nameOf),
    presentationState: stateOf(position.instance.sop_instance_uid, position.frame),
  })),
});

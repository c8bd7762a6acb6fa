// Positions of a series: every frame of every image, in the order one scrolls through them.
import type { Instance, Series, Study } from "../api/contract";

export interface Position {
  instance: Instance;
  /** Counted from 1; null for an image of one frame. */
  frame: number | null;
}

export function positionsOf(series: Series): Position[] {
  return series.instances
    .filter((instance) => instance.is_image)
    .flatMap((instance): Position[] =>
      instance.frames > 1
        ? Array.from({ length: instance.frames }, (_, index) => ({ instance, frame: index + 1 }))
        : [{ instance, frame: null }],
    );
}

export const imageSeries = (study: Study): Series[] =>
  study.series.filter((series) => series.instances.some((instance) => instance.is_image));

export const otherSeries = (study: Study): Series[] =>
  study.series.filter((series) => !series.instances.some((instance) => instance.is_image));

export interface Spot {
  series: Series;
  index: number;
}

/** Where an image (and frame) stands in a study; null when the study does not have it. */
export function findSpot(study: Study, sop: string, frame: number | null): Spot | null {
  for (const series of imageSeries(study)) {
    const positions = positionsOf(series);
    const first = positions.findIndex((position) => position.instance.sop_instance_uid === sop);
    if (first < 0) continue;
    const exact = positions.findIndex(
      (position) => position.instance.sop_instance_uid === sop && position.frame === frame,
    );
    return { series, index: exact < 0 ? first : exact };
  }
  return null;
}

export const clampIndex = (index: number, count: number) => Math.max(0, Math.min(count - 1, index));

/** The positions worth having ready: more of them ahead than behind. */
export function neighbours(index: number, count: number, direction: 1 | -1, ahead = 6, behind = 2): number[] {
  const wanted: number[] = [];
  for (let step = 1; step <= Math.max(ahead, behind); step++) {
    if (step <= ahead) wanted.push(index + direction * step);
    if (step <= behind) wanted.push(index - direction * step);
  }
  return wanted.filter((candidate) => candidate >= 0 && candidate < count);
}

/** The next marked position after `index` in `direction`, around the end; null when none is marked. */
export function nextMarked(marked: readonly number[], index: number, direction: 1 | -1): number | null {
  const sorted = [...marked].sort((a, b) => (a - b) * direction);
  return sorted.find((candidate) => (candidate - index) * direction > 0) ?? sorted[0] ?? null;
}

/** How far a wheel event scrolls: a notch one step; the small movements of a touch pad add up. */
export function wheelSteps(rest: number, delta: number, mode: number): { steps: number; rest: number } {
  // DOM_DELTA_LINE and DOM_DELTA_PAGE mean whole notches; browsers give a notch 100 or 120 pixels.
  if (mode !== 0) return { steps: Math.sign(delta), rest: 0 };
  if (Math.abs(delta) >= 50)
    return { steps: Math.sign(delta) * Math.max(1, Math.round(Math.abs(delta) / 120)), rest: 0 };
  const sum = Math.sign(rest) === -Math.sign(delta) ? delta : rest + delta;
  const steps = Math.trunc(sum / 50) + 0;
  return { steps, rest: sum - steps * 50 };
}

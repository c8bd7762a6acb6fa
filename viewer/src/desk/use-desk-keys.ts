// The keyboard commands of the study page.
import type { Study, Title } from "../api/contract";
import { may } from "../api/session";
import { imageSeries } from "../model/positions";
import { titleOfKey } from "../model/titles";
import { useKeys } from "../parts/keys";
import { invert, reset, switchOverlays, switchPresented, ZOOM_STEP, zoomBy } from "../viewport/tools";
import type { Viewport } from "../viewport/viewport";
import type { Scroller } from "./use-scrollers";

interface DeskKeys {
  study: Study;
  titles: readonly Title[];
  /** Where the active viewport looks. */
  scroller: Scroller;
  /** The active viewport. */
  viewport: Viewport;
  onStar: (whole: boolean) => void;
  onStarUnder: (title: Title) => void;
  onMark: (direction: 1 | -1) => void;
  onHelp: () => void;
}

const STEPS: Record<string, number> = {
  ArrowDown: 1,
  ArrowRight: 1,
  ArrowUp: -1,
  ArrowLeft: -1,
  PageDown: 10,
  PageUp: -10,
};

export function useDeskKeys({
  study,
  titles,
  scroller,
  viewport,
  onStar,
  onStarUnder,
  onMark,
  onHelp,
}: DeskKeys): void {
  const nextSeries = (step: 1 | -1) => {
    const all = imageSeries(study);
    const at = scroller.series ? all.indexOf(scroller.series) : -1;
    const next = all[at + step];
    if (next) scroller.openSeries(next);
  };
  useKeys((event) => {
    const { key } = event;
    const steps = STEPS[key];
    const title = titleOfKey(titles, key);
    if (steps !== undefined) scroller.scroll(steps);
    else if (key === "Home") scroller.goTo(0);
    else if (key === "End") scroller.goTo(scroller.positions.length - 1);
    else if (key === "[") nextSeries(-1);
    else if (key === "]") nextSeries(1);
    // A held key must not star and unstar in turn.
    else if (key.toLowerCase() === "k") event.repeat || !may("mark") || onStar(event.shiftKey);
    else if (key === "n") onMark(1);
    else if (key === "p") onMark(-1);
    else if (key === "?") onHelp();
    else if (key === "+" || key === "=") zoomBy(viewport, ZOOM_STEP);
    else if (key === "-") zoomBy(viewport, 1 / ZOOM_STEP);
    else if (key === "0") reset(viewport);
    else if (key === "v") invert(viewport);
    else if (key === "o") switchOverlays(viewport);
    else if (key === "l") switchPresented(viewport);
    else if (title) event.repeat || !may("mark") || onStarUnder(title);
    else return false;
    return true;
  });
}

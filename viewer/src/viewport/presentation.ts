// How an image looks in its viewport, as a note keeps it.
import type { Presentation } from "../api/contract";
import type { Viewport } from "./viewport";

/** The UID of the presentation state with which the image of a viewport is shown; null: it is shown without. */
export function stateIn(viewport: Viewport): string | null {
  const { presented, shown } = viewport.getState();
  return presented ? (shown?.image.presentationState ?? null) : null;
}

/** How the image of a viewport looks, where that differs from how it was stored; null: it does not. */
export function presentationIn(viewport: Viewport): Presentation | null {
  const { window, inverted, overlays } = viewport.getState();
  const area = viewport.visibleArea();
  const presentation: Presentation = {
    ...(window ? { window } : {}),
    ...(inverted ? { inverted } : {}),
    ...(overlays ? {} : { overlays }),
    ...(area ? { area } : {}),
  };
  return Object.keys(presentation).length > 0 ? presentation : null;
}

// What toolbar, keys and pointer do to a viewport.
import { clampZoom, FITTED, zoomAbout } from "./view";
import type { Viewport, ViewportState } from "./viewport";
import type { Window } from "./window";

/** How much larger one step of zooming makes the picture. */
export const ZOOM_STEP = 1.25;

export function zoomBy(viewport: Viewport, factor: number): void {
  const { view } = viewport.getState();
  viewport.setView({ ...view, zoom: clampZoom(view.zoom * factor) });
}

/** Zoom about a point given from the middle of the viewport. */
export function zoomAt(viewport: Viewport, factor: number, x: number, y: number): void {
  viewport.setView(zoomAbout(viewport.getState().view, factor, x, y));
}

export const fit = (viewport: Viewport): void => viewport.setView(FITTED);

export const invert = (viewport: Viewport): void => viewport.setInverted(!viewport.getState().inverted);

export const switchOverlays = (viewport: Viewport): void =>
  viewport.setOverlays(!viewport.getState().overlays);

/** As the note wants the image shown, or as it was stored. */
export const switchPresented = (viewport: Viewport): void =>
  viewport.setPresented(!viewport.getState().presented);

/** Window, zoom, position, grey scale, overlays and presentation as they were at first. */
export function reset(viewport: Viewport): void {
  viewport.setView(FITTED);
  viewport.setInverted(false);
  viewport.setOverlays(true);
  viewport.setPresented(true);
  viewport.setWindow(null);
}

/** The window a drag starts from; null: nothing to drag (colour, or not known yet). */
export const windowInForce = ({ window, windowFacts }: ViewportState): Window | null =>
  windowFacts?.adjustable ? (window ?? windowFacts.start) : null;

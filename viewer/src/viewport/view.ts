// How a picture lies in its viewport.

export interface View {
  /** 1: the whole picture just fits. */
  zoom: number;
  /** Offset from the middle of the viewport, in CSS pixels. */
  x: number;
  y: number;
}

export const FITTED: View = { zoom: 1, x: 0, y: 0 };

export const clampZoom = (zoom: number) => Math.max(0.25, Math.min(16, zoom));

/** Zoom about a point given from the middle of the viewport, so that what lies under it stays there. */
export function zoomAbout(view: View, factor: number, x: number, y: number): View {
  const zoom = clampZoom(view.zoom * factor);
  const ratio = zoom / view.zoom;
  return { zoom, x: x - (x - view.x) * ratio, y: y - (y - view.y) * ratio };
}

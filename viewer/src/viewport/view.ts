// Fitting a picture into the stage.

export interface View {
  /** 1: the whole picture just fits. */
  zoom: number;
  /** Offset from the middle of the stage, in CSS pixels. */
  x: number;
  y: number;
}

export const FITTED: View = { zoom: 1, x: 0, y: 0 };

export interface Box {
  width: number;
  height: number;
}

export const clampZoom = (zoom: number) => Math.max(0.25, Math.min(16, zoom));

/** Zoom about a point given from the middle of the stage, so that what lies under it stays there. */
export function zoomAbout(view: View, factor: number, x: number, y: number): View {
  const zoom = clampZoom(view.zoom * factor);
  const ratio = zoom / view.zoom;
  return { zoom, x: x - (x - view.x) * ratio, y: y - (y - view.y) * ratio };
}

/** Where the picture is drawn in a stage. */
export function placed(picture: Box, stage: Box, view: View) {
  const scale = Math.min(stage.width / picture.width, stage.height / picture.height) * view.zoom;
  const width = picture.width * scale;
  const height = picture.height * scale;
  return {
    x: (stage.width - width) / 2 + view.x,
    y: (stage.height - height) / 2 + view.y,
    width,
    height,
    scale,
  };
}

/**
 * The longest side to ask the server for: null (as stored) when the picture is no larger than what is shown.
 * In steps of 256, so that resizing the browser window does not ask for a new picture at every pixel.
 */
export function sideFor(
  image: { rows: number | null; columns: number | null },
  stage: Box,
  zoom: number,
  ratio: number,
): number | null {
  const longest = Math.max(image.rows ?? 0, image.columns ?? 0);
  const shown = Math.ceil((Math.max(stage.width, stage.height) * Math.max(1, zoom) * ratio) / 256) * 256;
  return longest > 1024 && shown < longest ? Math.max(512, shown) : null;
}

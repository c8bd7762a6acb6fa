// Fitting a picture into its viewport.
import type { Area } from "../../api/contract";
import type { View } from "../view";

export interface Box {
  width: number;
  height: number;
}

/** Where the picture is drawn in a viewport. */
export function placed(picture: Box, viewport: Box, view: View) {
  const scale = Math.min(viewport.width / picture.width, viewport.height / picture.height) * view.zoom;
  const width = picture.width * scale;
  const height = picture.height * scale;
  return {
    x: (viewport.width - width) / 2 + view.x,
    y: (viewport.height - height) / 2 + view.y,
    width,
    height,
    scale,
  };
}

/** The part of an image of so many columns and rows that lies within its viewport; null: all of it, or nothing. */
export function areaWithin(image: Box, viewport: Box, view: View): Area | null {
  const { x, y, scale } = placed(image, viewport, view);
  const left = Math.max(0, Math.floor(-x / scale));
  const upper = Math.max(0, Math.floor(-y / scale));
  const right = Math.min(image.width, Math.ceil((viewport.width - x) / scale));
  const lower = Math.min(image.height, Math.ceil((viewport.height - y) / scale));
  const isAll = left === 0 && upper === 0 && right === image.width && lower === image.height;
  if (isAll || right <= left || lower <= upper) return null;
  return { left: left + 1, upper: upper + 1, right, lower };
}

/**
 * The longest side to ask the server for: null (as stored) when the picture is no larger than what is shown.
 * In steps of 256, so that resizing the browser window does not ask for a new picture at every pixel.
 */
export function sideFor(
  image: { rows: number | null; columns: number | null },
  viewport: Box,
  zoom: number,
  ratio: number,
): number | null {
  const longest = Math.max(image.rows ?? 0, image.columns ?? 0);
  const shown = Math.ceil((Math.max(viewport.width, viewport.height) * Math.max(1, zoom) * ratio) / 256) * 256;
  return longest > 1024 && shown < longest ? Math.max(512, shown) : null;
}

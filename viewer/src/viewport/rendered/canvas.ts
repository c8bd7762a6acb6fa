// Drawing a picture.
import type { View } from "../view";
import { type Box, placed } from "./fitting";

export function draw(
  canvas: HTMLCanvasElement,
  bitmap: ImageBitmap | null,
  size: Box,
  view: View,
  inverted: boolean,
): void {
  const context = canvas.getContext("2d");
  if (!context || size.width === 0) return;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(size.width * ratio);
  canvas.height = Math.round(size.height * ratio);
  if (!bitmap) return;
  context.scale(ratio, ratio);
  const { x, y, width, height, scale } = placed(bitmap, size, view);
  context.imageSmoothingEnabled = scale * ratio < 4;
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, x, y, width, height);
  if (inverted) {
    context.globalCompositeOperation = "difference";
    context.fillStyle = "white";
    context.fillRect(x, y, width, height);
  }
}

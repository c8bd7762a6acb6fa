// How an image of a note is shown.
import type { Presentation } from "../api/contract";

/** In words, for the draft: "C -600 W 1500, inverted, enlarged". */
export function presentationText({ window, inverted, overlays, area }: Presentation): string {
  const parts = [
    window && `C ${window.center} W ${window.width}`,
    inverted && "inverted",
    overlays === false && "without overlays",
    area && "enlarged",
  ];
  return parts.filter(Boolean).join(", ");
}

export const samePresentation = (one: Presentation | null, other: Presentation | null): boolean =>
  JSON.stringify(one) === JSON.stringify(other);

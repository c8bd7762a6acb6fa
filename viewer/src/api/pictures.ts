// Addresses of the DICOMweb resources that are pictures, and of the metadata that says how to look at them.

export interface Place {
  study: string;
  series: string;
  sop: string;
}

export interface Look {
  window?: { center: number; width: number } | null;
  /** Longest side asked for, in device pixels; null: as stored. */
  side?: number | null;
  /** Whether overlay planes are drawn; they are, unless this is false. */
  overlays?: boolean;
  /** The UID of a presentation state to apply. */
  presentationState?: string | null;
}

const instance = ({ study, series, sop }: Place) =>
  `/dicomweb/studies/${study}/series/${series}/instances/${sop}`;

const short = (value: number) => String(Math.round(value * 100) / 100);

/** `frame` null: an image of one frame. */
export function renderedAddress(place: Place, frame: number | null, look: Look = {}): string {
  const parts: string[] = [];
  if (look.window) parts.push(`window=${short(look.window.center)},${short(look.window.width)},linear`);
  if (look.side) parts.push(`viewport=${look.side},${look.side}`);
  if (look.overlays === false) parts.push("overlays=off");
  if (look.presentationState) parts.push(`presentationUID=${look.presentationState}`);
  const query = parts.length ? `?${parts.join("&")}` : "";
  return `${instance(place)}${frame === null ? "" : `/frames/${frame}`}/rendered${query}`;
}

export function thumbnailAddress(
  place: Place,
  frame: number | null = null,
  presentationState: string | null = null,
): string {
  if (presentationState) return renderedAddress(place, frame, { side: 128, presentationState });
  if (frame === null) return `${instance(place)}/thumbnail`;
  return renderedAddress(place, frame, { side: 128 });
}

export const metadataAddress = (place: Place) => `${instance(place)}/metadata`;

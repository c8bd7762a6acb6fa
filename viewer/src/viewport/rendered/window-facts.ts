// What the metadata of an image proposes for its window.
import { metadataAddress, type Place } from "../../api/pictures";
import type { Preset, Window, WindowFacts } from "../window";

type Attributes = Record<string, { Value?: unknown[] } | undefined>;

const numbers = (data: Attributes, tag: string): number[] =>
  (data[tag]?.Value ?? []).map(Number).filter((value) => Number.isFinite(value));

const first = (data: Attributes, tag: string, otherwise: number) => numbers(data, tag)[0] ?? otherwise;

function items(data: Attributes, tag: string): Attributes[] {
  return (data[tag]?.Value ?? []).filter(
    (item): item is Attributes => typeof item === "object" && item !== null,
  );
}

/** The attribute holders that may carry a window: the root, then the functional groups of enhanced images. */
function windowHolders(data: Attributes): Attributes[] {
  const groups = [...items(data, "52009229"), ...items(data, "52009230").slice(0, 1)];
  return [data, ...groups.flatMap((group) => items(group, "00289132"))];
}

/** What metadata (one object of the DICOM JSON model, PS3.18 F) says about windows. */
export function windowFacts(data: Attributes): WindowFacts {
  const own: Preset[] = [];
  for (const holder of windowHolders(data)) {
    const centers = numbers(holder, "00281050");
    const widths = numbers(holder, "00281051");
    const names = (holder["00281055"]?.Value ?? []).map(String);
    centers.forEach((center, index) => {
      const width = widths[index];
      if (width && width > 0) own.push({ name: names[index] || `Stored ${index + 1}`, center, width });
    });
    if (own.length) break;
  }
  const bits = first(data, "00280101", 8);
  const slope = first(data, "00281053", 1);
  const intercept = first(data, "00281052", 0);
  const lowest = first(data, "00280103", 0) === 1 ? -(2 ** (bits - 1)) : 0;
  const range: Window = {
    center: (lowest + 2 ** (bits - 1)) * slope + intercept,
    width: Math.max(1, 2 ** bits * Math.abs(slope)),
  };
  return { own, start: own[0] ?? range, adjustable: first(data, "00280002", 1) === 1 };
}

/** Read what an image says about windows; null when the server does not tell. */
export async function readWindowFacts(image: Place, signal: AbortSignal): Promise<WindowFacts | null> {
  const response = await fetch(metadataAddress(image), {
    headers: { Accept: "application/dicom+json" },
    signal,
  });
  if (!response.ok) return null;
  const [metadata] = (await response.json()) as Attributes[];
  return metadata ? windowFacts(metadata) : null;
}

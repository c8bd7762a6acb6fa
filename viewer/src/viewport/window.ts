// Window (contrast) settings: what an image proposes, what its modality is usually looked at with.

export interface Window {
  center: number;
  width: number;
}

export interface Preset extends Window {
  name: string;
}

export interface WindowFacts {
  /** What the image itself proposes. */
  own: Preset[];
  /** Where dragging starts from when nothing is chosen. */
  start: Window;
  /** A colour image has no window. */
  adjustable: boolean;
}

// Customary settings in Hounsfield units.
const CT: Preset[] = [
  { name: "Soft tissue", center: 40, width: 400 },
  { name: "Lung", center: -600, width: 1500 },
  { name: "Bone", center: 400, width: 1800 },
  { name: "Brain", center: 40, width: 80 },
  { name: "Mediastinum", center: 50, width: 350 },
  { name: "Liver", center: 80, width: 150 },
];

export const presetsFor = (modality: string | null): Preset[] => (modality === "CT" ? CT : []);

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

/** Read what metadata (one object of the DICOM JSON model, PS3.18 F) says about windows. */
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

/** The window after a drag: to the right wider, downwards brighter tissue darker (a higher centre). */
export function dragged(start: Window, across: number, down: number): Window {
  // A wide window must move faster than a narrow one to be worth dragging.
  const pace = Math.max(0.25, start.width / 400);
  return {
    center: Math.round((start.center + down * pace) * 10) / 10,
    width: Math.max(1, Math.round((start.width + across * pace) * 10) / 10),
  };
}

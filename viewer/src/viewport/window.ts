// Window (contrast) settings: what is customary for a modality, and how dragging changes them.

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

/** The window after a drag: to the right wider, downwards brighter tissue darker (a higher centre). */
export function dragged(start: Window, across: number, down: number): Window {
  // A wide window must move faster than a narrow one to be worth dragging.
  const pace = Math.max(0.25, start.width / 400);
  return {
    center: Math.round((start.center + down * pace) * 10) / 10,
    width: Math.max(1, Math.round((start.width + across * pace) * 10) / 10),
  };
}

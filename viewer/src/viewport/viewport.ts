// What the study desk needs of whatever draws images: a viewport, one place on the screen that shows one image.
// The desk knows this interface alone; each renderer implements it in a folder of its own.
import type { Area } from "../api/contract";
import { FITTED, type View } from "./view";
import type { Window, WindowFacts } from "./window";

/** One image, or one frame of an image, that can be shown. */
export interface ViewportImage {
  /** The UIDs of its study, its series and itself. */
  study: string;
  series: string;
  sop: string;
  /** Counted from 1; null for an image of one frame. */
  frame: number | null;
  rows: number | null;
  columns: number | null;
  /** What it is called, for a person. */
  caption: string;
  /** The UID of the presentation state with which a note wants it shown; null: as stored. */
  presentationState: string | null;
}

/** The images of a series, in the order one scrolls through them. */
export interface ImageStack {
  /** The Series Instance UID. */
  series: string;
  images: readonly ViewportImage[];
}

/** What stands on the screen. */
export interface ShownImage {
  image: ViewportImage;
  /** Why the image cannot be shown, for a person; null: it is shown. */
  failure: string | null;
}

export interface ViewportState {
  /** While another image is loading, the one before stays; null: there has been none yet. */
  shown: ShownImage | null;
  /** What was asked for is not on the screen yet. */
  loading: boolean;
  /** The window chosen for the series; null: as stored. */
  window: Window | null;
  /** What the images of the series propose; null: not known yet. */
  windowFacts: WindowFacts | null;
  view: View;
  inverted: boolean;
  /** Whether the overlay planes of the images (60xx) are drawn. */
  overlays: boolean;
  /** Whether images are shown with their presentation states. */
  presented: boolean;
}

/** A viewport before anything is asked of it. */
export const BLANK: ViewportState = {
  shown: null,
  loading: false,
  window: null,
  windowFacts: null,
  view: FITTED,
  inverted: false,
  overlays: true,
  presented: true,
};

export interface Viewport {
  /** Draw in this element, and follow its size. A viewport draws in one element at a time. */
  attach(element: HTMLElement): void;
  /** Leave the element, and stop all work. What was asked for is kept for another `attach`. */
  detach(): void;
  /** Show an image of a stack, counted from 0. The other images of the stack are likely to be asked for next. */
  show(stack: ImageStack, index: number): void;
  /** Choose the window of the series that is shown, for as long as the viewport lives; null: as stored. */
  setWindow(window: Window | null): void;
  setView(view: View): void;
  setInverted(inverted: boolean): void;
  setOverlays(overlays: boolean): void;
  setPresented(presented: boolean): void;
  /** The part of the image that is seen, in its columns and rows; null: all of it, or not known. */
  visibleArea(): Area | null;
  /** The same object until something changes. */
  getState(): ViewportState;
  /** Hear of every change of the state: an image is shown, or failed, or something was set. Returns how to stop. */
  subscribe(listener: () => void): () => void;
}

export type CreateViewport = () => Viewport;

// A viewport that draws nothing: it does at once what it is asked for, or what a test says.
import type { Area } from "../src/api/contract";
import { BLANK, type ImageStack, type Viewport, type ViewportState } from "../src/viewport/viewport";

export class FakeViewport implements Viewport {
  element: HTMLElement | null = null;
  stack: ImageStack | null = null;
  index: number | null = null;
  /** The part of the image that is seen. */
  area: Area | null = null;
  private state: ViewportState = BLANK;
  private readonly listeners = new Set<() => void>();

  attach(element: HTMLElement): void {
    this.element = element;
  }

  detach(): void {
    this.element = null;
  }

  show(stack: ImageStack, index: number): void {
    this.stack = stack;
    this.index = index;
    const image = stack.images[index];
    if (image) this.become({ shown: { image, failure: null } });
  }

  setWindow(window: ViewportState["window"]): void {
    this.become({ window });
  }

  setView(view: ViewportState["view"]): void {
    this.become({ view });
  }

  setInverted(inverted: boolean): void {
    this.become({ inverted });
  }

  setOverlays(overlays: boolean): void {
    this.become({ overlays });
  }

  setPresented(presented: boolean): void {
    this.become({ presented });
  }

  visibleArea(): Area | null {
    return this.area;
  }

  getState(): ViewportState {
    return this.state;
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  become(part: Partial<ViewportState>): void {
    this.state = { ...this.state, ...part };
    for (const listener of this.listeners) listener();
  }

  /** The SOP Instance UID of what was asked for last, and its frame. */
  get asked(): [string, number | null] | null {
    const image = this.stack?.images[this.index ?? 0];
    return image ? [image.sop, image.frame] : null;
  }
}

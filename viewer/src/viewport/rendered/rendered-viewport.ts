// A viewport whose pictures the server renders (PS3.18, Rendered Resources), drawn on a canvas.
import type { Area } from "../../api/contract";
import { renderedAddress } from "../../api/pictures";
import type { Problem } from "../../api/problem";
import { neighbours } from "../../model/positions";
import type { View } from "../view";
import {
  BLANK,
  type CreateViewport,
  type ImageStack,
  type Viewport,
  type ViewportImage,
  type ViewportState,
} from "../viewport";
import type { Window, WindowFacts } from "../window";
import { draw } from "./canvas";
import { areaWithin, type Box, sideFor } from "./fitting";
import { PictureFollower, type Wanted } from "./picture-follower";
import { PictureStore } from "./picture-store";
import { readWindowFacts } from "./window-facts";

const NO_SIZE: Box = { width: 0, height: 0 };

class RenderedViewport implements Viewport {
  private state: ViewportState = BLANK;
  private readonly listeners = new Set<() => void>();
  private readonly follower: PictureFollower;

  private readonly canvas = document.createElement("canvas");
  private bitmap: ImageBitmap | null = null;
  private size = NO_SIZE;
  private readonly observer = new ResizeObserver(([entry]) => {
    const element = entry?.target;
    if (element) this.resize({ width: element.clientWidth, height: element.clientHeight });
  });

  private stack: ImageStack | null = null;
  private index = 0;
  /** Which way one scrolls: pictures ahead are worth having ready more than those behind. */
  private direction: 1 | -1 = 1;
  private wanted: Wanted | null = null;

  private readonly windows = new Map<string, Window | null>();
  private readonly facts = new Map<string, WindowFacts>();
  private readingFacts: { series: string; controller: AbortController } | null = null;

  constructor(store: PictureStore) {
    this.follower = new PictureFollower(store, (wanted, bitmap, problem) =>
      this.present(wanted, bitmap, problem),
    );
  }

  attach(element: HTMLElement): void {
    element.append(this.canvas);
    this.observer.observe(element);
    this.readFacts();
  }

  detach(): void {
    this.observer.disconnect();
    this.canvas.remove();
    this.follower.stop();
    this.readingFacts?.controller.abort();
    this.readingFacts = null;
    this.size = NO_SIZE;
    this.wanted = null;
  }

  show(stack: ImageStack, index: number): void {
    const sameSeries = stack.series === this.stack?.series;
    this.direction = sameSeries && index < this.index ? -1 : 1;
    this.stack = stack;
    this.index = index;
    if (!sameSeries) {
      this.change({
        window: this.windows.get(stack.series) ?? null,
        windowFacts: this.facts.get(stack.series) ?? null,
      });
      this.readFacts();
    }
    this.want();
  }

  setWindow(window: Window | null): void {
    if (!this.stack) return;
    this.windows.set(this.stack.series, window);
    this.change({ window });
    this.want();
  }

  setView(view: View): void {
    this.change({ view });
    this.draw();
    // Zoomed in, a large picture is wanted in more detail.
    this.want();
  }

  setInverted(inverted: boolean): void {
    this.change({ inverted });
    this.draw();
  }

  setOverlays(overlays: boolean): void {
    this.change({ overlays });
    this.want();
  }

  setPresented(presented: boolean): void {
    this.change({ presented });
    this.want();
  }

  visibleArea(): Area | null {
    const image = this.stack?.images[this.index];
    // A presentation state may turn the image, or show a part of it: the view is of what it shows.
    if (!image?.rows || !image.columns || this.stateOf(image) || this.size.width === 0) return null;
    return areaWithin({ width: image.columns, height: image.rows }, this.size, this.state.view);
  }

  getState(): ViewportState {
    return this.state;
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private change(part: Partial<ViewportState>): void {
    this.state = { ...this.state, ...part };
    for (const listener of this.listeners) listener();
  }

  private resize(size: Box): void {
    this.size = size;
    this.draw();
    this.want();
  }

  private stateOf(image: ViewportImage): string | null {
    return this.state.presented ? image.presentationState : null;
  }

  private addressOf(image: ViewportImage): string {
    const { window, view, overlays } = this.state;
    const side = sideFor(image, this.size, view.zoom, globalThis.devicePixelRatio || 1);
    return renderedAddress(image, image.frame, { window, side, overlays, presentationState: this.stateOf(image) });
  }

  /** Go for the picture that is to be shown by now, and for those around it. */
  private want(): void {
    const images = this.stack?.images ?? [];
    const image = images[this.index];
    if (!image || this.size.width === 0) return;
    const address = this.addressOf(image);
    if (address === this.wanted?.address && image === this.wanted.image) return;
    this.wanted = { address, image };
    this.change({ loading: this.canvas.dataset.address !== address });
    this.follower.want(this.wanted);
    const near = neighbours(this.index, images.length, this.direction);
    this.follower.prepare(near.flatMap((other) => images[other] ?? []).map((other) => this.addressOf(other)));
  }

  private present(wanted: Wanted, bitmap: ImageBitmap | null, problem: Problem | null): void {
    this.bitmap = bitmap;
    this.canvas.dataset.address = wanted.address;
    this.draw();
    this.change({
      shown: { image: wanted.image, failure: problem?.message ?? null },
      loading: wanted.address !== this.wanted?.address,
    });
  }

  private draw(): void {
    draw(this.canvas, this.bitmap, this.size, this.state.view, this.state.inverted);
  }

  /** Learn what the first image of the series proposes for all of them. */
  private readFacts(): void {
    const sample = this.stack?.images[0];
    if (!sample || this.readingFacts?.series === sample.series) return;
    this.readingFacts?.controller.abort();
    this.readingFacts = null;
    if (this.facts.has(sample.series)) return;
    const controller = new AbortController();
    this.readingFacts = { series: sample.series, controller };
    readWindowFacts(sample, controller.signal)
      .then((facts) => {
        if (!facts || controller.signal.aborted) return;
        this.facts.set(sample.series, facts);
        this.change({ windowFacts: facts });
      })
      // Without it the picture is shown as stored, and dragging does nothing.
      .catch(() => undefined);
  }
}

/** The pictures of all viewports, kept while the page is open. */
const pictures = new PictureStore();

export const createRenderedViewport: CreateViewport = () => new RenderedViewport(pictures);

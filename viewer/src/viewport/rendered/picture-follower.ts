// Fetching the picture that is wanted, however fast that changes, and the ones that will be.
import { asProblem, type Problem } from "../../api/problem";
import type { ViewportImage } from "../viewport";
import type { PictureStore } from "./picture-store";

export interface Wanted {
  address: string;
  image: ViewportImage;
}

type OnPicture = (wanted: Wanted, bitmap: ImageBitmap | null, problem: Problem | null) => void;

// Neighbours are fetched once scrolling has paused this long, so that they do not stand in its way.
const PAUSE = 120;
const NEIGHBOURS_AT_ONCE = 3;

/**
 * One picture is fetched at a time, and shown when it comes; then the one wanted by then.
 * So scrolling and window dragging stay in motion however slow the server is.
 */
export class PictureFollower {
  private readonly store: PictureStore;
  private readonly onPicture: OnPicture;
  private latest: Wanted | null = null;
  private working = false;
  private stopNeighbours = () => {};

  constructor(store: PictureStore, onPicture: OnPicture) {
    this.store = store;
    this.onPicture = onPicture;
  }

  want(wanted: Wanted): void {
    this.latest = wanted;
    const ready = this.store.get(wanted.address);
    if (ready) this.onPicture(wanted, ready, null);
    else if (!this.working) void this.follow();
  }

  private async follow(): Promise<void> {
    this.working = true;
    let done: string | null = null;
    while (this.latest && this.latest.address !== done) {
      const current: Wanted = this.latest;
      done = current.address;
      try {
        const bitmap = await this.store.load(current.address);
        if (this.latest) this.onPicture(current, bitmap, null);
      } catch (thrown) {
        if (this.latest?.address === current.address) this.onPicture(current, null, asProblem(thrown));
      }
    }
    this.working = false;
  }

  /** Have these pictures ready, the first ones first; no longer those named before. */
  prepare(addresses: readonly string[]): void {
    this.stopNeighbours();
    let stopped = false;
    const queue = addresses.filter((address) => !this.store.get(address));
    const work = async () => {
      for (let address = queue.shift(); address && !stopped; address = queue.shift()) {
        // A neighbour that cannot be had says so when it is scrolled to.
        await this.store.load(address).catch(() => undefined);
      }
    };
    const timer = setTimeout(() => {
      for (let worker = 0; worker < NEIGHBOURS_AT_ONCE; worker++) void work();
    }, PAUSE);
    this.stopNeighbours = () => {
      stopped = true;
      clearTimeout(timer);
    };
  }

  /** Want nothing any more. */
  stop(): void {
    this.latest = null;
    this.stopNeighbours();
  }
}

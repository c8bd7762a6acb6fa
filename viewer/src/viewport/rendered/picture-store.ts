// Pictures of images, fetched and decoded once and kept while there is room.
import { asProblem, problemFrom } from "../../api/problem";

// Bytes of decoded pictures kept: about a thousand CT slices.
const ROOM = 1024 * 1024 * 1024;

const sizeOf = (bitmap: ImageBitmap) => bitmap.width * bitmap.height * 4;

export class PictureStore {
  /** Least recently used first. */
  private readonly kept = new Map<string, ImageBitmap>();
  private readonly running = new Map<string, Promise<ImageBitmap>>();
  private taken = 0;

  get(address: string): ImageBitmap | undefined {
    const bitmap = this.kept.get(address);
    if (bitmap) {
      this.kept.delete(address);
      this.kept.set(address, bitmap);
    }
    return bitmap;
  }

  /** The picture at an address; rejects with a Problem that says why it cannot be had. */
  load(address: string): Promise<ImageBitmap> {
    const kept = this.get(address);
    if (kept) return Promise.resolve(kept);
    const underWay = this.running.get(address);
    if (underWay) return underWay;
    const loading = this.fetch(address).finally(() => this.running.delete(address));
    this.running.set(address, loading);
    return loading;
  }

  private async fetch(address: string): Promise<ImageBitmap> {
    try {
      const response = await fetch(address, { headers: { Accept: "image/jpeg, image/png" } });
      if (!response.ok) throw problemFrom(response.status, await response.text());
      const bitmap = await createImageBitmap(await response.blob());
      this.keep(address, bitmap);
      return bitmap;
    } catch (thrown) {
      throw asProblem(thrown);
    }
  }

  private keep(address: string, bitmap: ImageBitmap): void {
    this.kept.set(address, bitmap);
    this.taken += sizeOf(bitmap);
    for (const [oldest, picture] of this.kept) {
      if (this.taken <= ROOM || oldest === address) break;
      this.kept.delete(oldest);
      this.taken -= sizeOf(picture);
      // Not closed: it may be on the screen still. The browser frees it when nothing holds it.
    }
  }
}

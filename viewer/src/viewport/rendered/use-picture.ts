// The picture on the stage: the one wanted, or the last one while that is still coming.
import { useEffect, useRef, useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import { PictureStore } from "./picture-store";

export interface Wanted {
  address: string;
  /** What the picture shows; goes with it to the stage. */
  caption: string;
}

export interface Shown {
  wanted: Wanted;
  bitmap: ImageBitmap | null;
  problem: Problem | null;
}

const store = new PictureStore();

// Neighbours are fetched once scrolling has paused this long, so that they do not stand in its way.
const PAUSE = 120;
const NEIGHBOURS_AT_ONCE = 3;

/**
 * One picture is fetched at a time, and shown when it comes; then the one wanted by then.
 * So scrolling and window dragging stay in motion however slow the server is.
 */
export function usePicture(
  wanted: Wanted | null,
  neighbours: readonly string[],
): { shown: Shown | null; loading: boolean } {
  const [shown, setShown] = useState<Shown | null>(null);
  const latest = useRef<Wanted | null>(null);
  const working = useRef(false);

  useEffect(() => {
    latest.current = wanted;
    const ready = wanted && store.get(wanted.address);
    if (wanted && ready) {
      setShown({ wanted, bitmap: ready, problem: null });
    } else if (wanted && !working.current) {
      void follow();
    }
    async function follow() {
      working.current = true;
      let done: string | null = null;
      while (latest.current && latest.current.address !== done) {
        const current: Wanted = latest.current;
        done = current.address;
        try {
          setShown({ wanted: current, bitmap: await store.load(current.address), problem: null });
        } catch (thrown) {
          if (latest.current.address === current.address) {
            setShown({ wanted: current, bitmap: null, problem: asProblem(thrown) });
          }
        }
      }
      working.current = false;
    }
  }, [wanted]);

  const list = neighbours.join(" ");
  useEffect(() => {
    let stopped = false;
    const queue = list.split(" ").filter((address) => address && !store.get(address));
    const work = async () => {
      for (let address = queue.shift(); address && !stopped; address = queue.shift()) {
        // A neighbour that cannot be had says so when it is scrolled to.
        await store.load(address).catch(() => undefined);
      }
    };
    const timer = setTimeout(() => {
      for (let worker = 0; worker < NEIGHBOURS_AT_ONCE; worker++) void work();
    }, PAUSE);
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [list]);

  return { shown, loading: wanted !== null && shown?.wanted.address !== wanted.address };
}

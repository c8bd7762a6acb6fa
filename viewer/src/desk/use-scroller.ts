// Where in the study one looks, and its deep link in the address.
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { Series, Study } from "../api/contract";
import { clampIndex, findSpot, imageSeries, type Position, positionsOf } from "../model/positions";
import { deepLinkOf, go, studyAddress, useAddress } from "../router";

// The address follows once scrolling pauses; browsers refuse too many changes of it.
const ADDRESS_PAUSE = 250;

export interface Scroller {
  series: Series | null;
  positions: Position[];
  index: number;
  position: Position | null;
  direction: 1 | -1;
  /** The note a link or a click has chosen. */
  note: string | null;
  scroll: (steps: number) => void;
  goTo: (index: number) => void;
  openSeries: (series: Series) => void;
  /** Go to an image (and frame) of this study; false when the study does not have it. */
  goToImage: (sop: string, frame: number | null) => boolean;
  choose: (note: string | null) => void;
}

interface Where {
  series: string | null;
  index: number;
  direction: 1 | -1;
}

export function useScroller(study: Study): Scroller {
  const address = useAddress();
  const all = useMemo(() => imageSeries(study), [study]);
  const [where, setWhere] = useState<Where>(() => whereOf(study, address) ?? startOf(all));
  const [note, setNote] = useState(() => deepLinkOf(address.searchParams).note);
  const written = useRef(address.search);

  const series = all.find((one) => one.series_instance_uid === where.series) ?? null;
  const positions = useMemo(() => (series ? positionsOf(series) : []), [series]);
  const index = clampIndex(where.index, positions.length);
  const position = positions[index] ?? null;

  useEffect(() => {
    // Back, Forward or a link within the study: follow it.
    if (address.search === written.current) return;
    written.current = address.search;
    const found = whereOf(study, address);
    if (found) setWhere(found);
    setNote(deepLinkOf(address.searchParams).note);
  }, [address, study]);

  const sop = position?.instance.sop_instance_uid ?? null;
  const frame = position?.frame ?? null;
  useEffect(() => {
    const timer = setTimeout(() => {
      const to = studyAddress(study.study_instance_uid, { note, sop, frame });
      written.current = new URL(to, window.location.origin).search;
      go(to, "replace");
    }, ADDRESS_PAUSE);
    return () => clearTimeout(timer);
  }, [study.study_instance_uid, note, sop, frame]);

  const count = positions.length;
  const goTo = useCallback(
    (to: number) =>
      setWhere((before) => {
        const next = clampIndex(to, count);
        return { ...before, index: next, direction: next >= before.index ? 1 : -1 };
      }),
    [count],
  );
  const scroll = useCallback(
    (steps: number) =>
      setWhere((before) => ({
        ...before,
        index: clampIndex(before.index + steps, count),
        direction: steps > 0 ? 1 : -1,
      })),
    [count],
  );
  const openSeries = useCallback(
    (next: Series) => setWhere({ series: next.series_instance_uid, index: 0, direction: 1 }),
    [],
  );
  const goToImage = useCallback(
    (wanted: string, wantedFrame: number | null) => {
      const spot = findSpot(study, wanted, wantedFrame);
      if (spot) setWhere({ series: spot.series.series_instance_uid, index: spot.index, direction: 1 });
      return spot !== null;
    },
    [study],
  );
  return {
    series,
    positions,
    index,
    position,
    direction: where.direction,
    note,
    scroll,
    goTo,
    openSeries,
    goToImage,
    choose: setNote,
  };
}

function whereOf(study: Study, address: URL): Where | null {
  const link = deepLinkOf(address.searchParams);
  const spot = link.sop ? findSpot(study, link.sop, link.frame) : null;
  return spot && { series: spot.series.series_instance_uid, index: spot.index, direction: 1 };
}

const startOf = (all: Series[]): Where => ({
  series: all[0]?.series_instance_uid ?? null,
  index: 0,
  direction: 1,
});

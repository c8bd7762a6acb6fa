// Where in the study one looks: in each viewport, and the active one's deep link in the address.
import { type Dispatch, useEffect, useMemo, useReducer, useRef, useState } from "react";
import type { Series, Study } from "../api/contract";
import { clampIndex, findSpot, imageSeries, type Position, positionsOf } from "../model/positions";
import { deepLinkOf, go, studyAddress, useAddress } from "../router";
import {
  type DeskAction,
  type DeskState,
  deskOf,
  deskReducer,
  type ViewportId,
  type Where,
} from "./where";

// The address follows once scrolling pauses; browsers refuse too many changes of it.
const ADDRESS_PAUSE = 250;

/** Where one viewport looks, and how to move it. */
export interface Scroller {
  viewport: ViewportId;
  series: Series | null;
  positions: readonly Position[];
  index: number;
  position: Position | null;
  scroll: (steps: number) => void;
  goTo: (index: number) => void;
  openSeries: (series: Series) => void;
  /** Go to an image (and frame) of this study; false when the study does not have it. */
  goToImage: (sop: string, frame: number | null) => boolean;
  activate: () => void;
}

export interface Scrollers {
  /** In the order of the screen. */
  all: readonly Scroller[];
  active: Scroller;
  /** The note a link or a click has chosen. */
  note: string | null;
  choose: (note: string | null) => void;
}

/** `viewports`: as they are at first. All begin where the address points. */
export function useScrollers(study: Study, viewports: readonly [ViewportId, ...ViewportId[]]): Scrollers {
  const address = useAddress();
  const [desk, dispatch] = useReducer(deskReducer, null, () =>
    deskOf(viewports, whereOf(study, address) ?? startOf(study)),
  );
  const [note, setNote] = useState(() => deepLinkOf(address.searchParams).note);
  const written = useRef(address.search);
  const places = useMemo(() => placesOf(study), [study]);
  const all = useMemo(
    () => desk.viewports.map((viewport) => scrollerOf(study, places, desk, viewport, dispatch)),
    [study, places, desk],
  );
  const active = all[desk.viewports.indexOf(desk.active)] as Scroller;

  useEffect(() => {
    // Back, Forward or a link within the study: follow it.
    if (address.search === written.current) return;
    written.current = address.search;
    const where = whereOf(study, address);
    if (where) dispatch({ kind: "go", viewport: desk.active, where });
    setNote(deepLinkOf(address.searchParams).note);
  }, [address, study, desk.active]);

  const sop = active.position?.instance.sop_instance_uid ?? null;
  const frame = active.position?.frame ?? null;
  useEffect(() => {
    const timer = setTimeout(() => {
      const to = studyAddress(study.study_instance_uid, { note, sop, frame });
      written.current = new URL(to, window.location.origin).search;
      go(to, "replace");
    }, ADDRESS_PAUSE);
    return () => clearTimeout(timer);
  }, [study.study_instance_uid, note, sop, frame]);

  return { all, active, note, choose: setNote };
}

/** The series that can be looked at and their positions, by Series Instance UID. */
type Places = ReadonlyMap<string, { series: Series; positions: readonly Position[] }>;

const placesOf = (study: Study): Places =>
  new Map(
    imageSeries(study).map((series) => [
      series.series_instance_uid,
      { series, positions: positionsOf(series) },
    ]),
  );

const NO_POSITIONS: readonly Position[] = [];

function scrollerOf(
  study: Study,
  places: Places,
  desk: DeskState,
  viewport: ViewportId,
  dispatch: Dispatch<DeskAction>,
): Scroller {
  const where = desk.where[viewport] ?? startOf(study);
  const place = where.series === null ? undefined : places.get(where.series);
  const positions = place?.positions ?? NO_POSITIONS;
  const count = positions.length;
  const index = clampIndex(where.index, count);
  return {
    viewport,
    series: place?.series ?? null,
    positions,
    index,
    position: positions[index] ?? null,
    scroll: (steps) => dispatch({ kind: "scroll", viewport, steps, count }),
    goTo: (to) => dispatch({ kind: "index", viewport, index: to, count }),
    openSeries: (series) =>
      dispatch({ kind: "go", viewport, where: { series: series.series_instance_uid, index: 0 } }),
    goToImage: (sop, frame) => {
      const where = spotOf(study, sop, frame);
      if (where) dispatch({ kind: "go", viewport, where });
      return where !== null;
    },
    activate: () => dispatch({ kind: "activate", viewport }),
  };
}

function spotOf(study: Study, sop: string, frame: number | null): Where | null {
  const spot = findSpot(study, sop, frame);
  return spot && { series: spot.series.series_instance_uid, index: spot.index };
}

function whereOf(study: Study, address: URL): Where | null {
  const { sop, frame } = deepLinkOf(address.searchParams);
  return sop ? spotOf(study, sop, frame) : null;
}

const startOf = (study: Study): Where => ({
  series: imageSeries(study)[0]?.series_instance_uid ?? null,
  index: 0,
});

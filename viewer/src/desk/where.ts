// Where in the study each viewport looks, and which of them is the active one.
import { clampIndex } from "../model/positions";

/** A place in the study: a series, and a position in it. */
export interface Where {
  series: string | null;
  index: number;
}

export type ViewportId = string;

export interface DeskState {
  /** In the order of the screen; there is always one. */
  viewports: readonly ViewportId[];
  /** The one that keys, toolbar, series list and notes speak to. */
  active: ViewportId;
  where: Readonly<Record<ViewportId, Where>>;
}

export type DeskAction =
  | { kind: "activate"; viewport: ViewportId }
  | { kind: "go"; viewport: ViewportId; where: Where }
  /** `count`: how many positions the series has that the viewport looks at. */
  | { kind: "index"; viewport: ViewportId; index: number; count: number }
  | { kind: "scroll"; viewport: ViewportId; steps: number; count: number };

/** The first of these viewports is the active one. All look at the same place. */
export function deskOf(viewports: readonly [ViewportId, ...ViewportId[]], where: Where): DeskState {
  return {
    viewports,
    active: viewports[0],
    where: Object.fromEntries(viewports.map((viewport) => [viewport, where])),
  };
}

export function deskReducer(state: DeskState, action: DeskAction): DeskState {
  const before = state.where[action.viewport];
  if (!before) return state;
  const put = (where: Where): DeskState => ({
    ...state,
    where: { ...state.where, [action.viewport]: where },
  });
  switch (action.kind) {
    case "activate":
      return state.active === action.viewport ? state : { ...state, active: action.viewport };
    case "go":
      return put(action.where);
    case "index":
      return put({ ...before, index: clampIndex(action.index, action.count) });
    case "scroll":
      return put({ ...before, index: clampIndex(before.index + action.steps, action.count) });
  }
}

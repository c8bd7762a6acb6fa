import { useCallback, useSyncExternalStore } from "react";
import type { Viewport, ViewportState } from "./viewport";

/** What a viewport shows, and how; renders again when that changes. */
export function useViewportState(viewport: Viewport): ViewportState {
  return useSyncExternalStore(
    useCallback((listener: () => void) => viewport.subscribe(listener), [viewport]),
    () => viewport.getState(),
  );
}

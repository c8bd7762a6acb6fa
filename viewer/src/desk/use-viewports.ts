import { useRef } from "react";
import type { CreateViewport, Viewport } from "../viewport/viewport";
import type { ViewportId } from "./where";

/** The viewports of the desk: each is made when it is first asked for, and kept. */
export function useViewports(create: CreateViewport): (id: ViewportId) => Viewport {
  const made = useRef(new Map<ViewportId, Viewport>());
  return (id) => {
    const viewport = made.current.get(id) ?? create();
    made.current.set(id, viewport);
    return viewport;
  };
}

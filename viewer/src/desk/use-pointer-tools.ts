// The pointer in a viewport: the wheel scrolls, dragging changes the window, Shift or the middle button moves the
// picture, the wheel with Ctrl zooms. Keyboard and toolbar do all of this too.
import { type PointerEvent, type RefObject, useEffect, useRef, useState } from "react";
import { wheelSteps } from "../model/positions";
import { windowInForce, zoomAt } from "../viewport/tools";
import type { View } from "../viewport/view";
import type { Viewport } from "../viewport/viewport";
import { dragged, type Window } from "../viewport/window";

type Drag =
  | { kind: "window"; x: number; y: number; start: Window }
  | { kind: "pan"; x: number; y: number; start: View };

const WHEEL_ZOOM = 1.15;

export interface PointerTools {
  dragging: Drag["kind"] | null;
  onPointerDown: (event: PointerEvent<HTMLElement>) => void;
  onPointerMove: (event: PointerEvent<HTMLElement>) => void;
  onPointerEnd: () => void;
}

export function usePointerTools(
  element: RefObject<HTMLElement | null>,
  viewport: Viewport,
  onScroll: (steps: number) => void,
): PointerTools {
  useWheel(element, viewport, onScroll);
  const drag = useRef<Drag | null>(null);
  const [dragging, setDragging] = useState<Drag["kind"] | null>(null);
  return {
    dragging,
    onPointerDown: (event) => {
      if ((event.target as HTMLElement).closest("button")) return;
      const { clientX: x, clientY: y, button, shiftKey } = event;
      const state = viewport.getState();
      const window = windowInForce(state);
      if (button === 1 || (button === 0 && shiftKey)) drag.current = { kind: "pan", x, y, start: state.view };
      else if (button === 0 && window) drag.current = { kind: "window", x, y, start: window };
      else return;
      event.preventDefault();
      event.currentTarget.setPointerCapture(event.pointerId);
      setDragging(drag.current.kind);
    },
    onPointerMove: (event) => {
      const from = drag.current;
      if (!from) return;
      const across = event.clientX - from.x;
      const down = event.clientY - from.y;
      if (from.kind === "pan")
        viewport.setView({ ...from.start, x: from.start.x + across, y: from.start.y + down });
      else if (Math.abs(across) + Math.abs(down) > 2) viewport.setWindow(dragged(from.start, across, down));
    },
    onPointerEnd: () => {
      drag.current = null;
      setDragging(null);
    },
  };
}

function useWheel(
  element: RefObject<HTMLElement | null>,
  viewport: Viewport,
  onScroll: (steps: number) => void,
): void {
  const rest = useRef(0);
  const wheel = useRef<(event: WheelEvent) => void>(() => {});
  wheel.current = (event) => {
    event.preventDefault();
    if (event.ctrlKey) {
      const place = (event.currentTarget as HTMLElement).getBoundingClientRect();
      const x = event.clientX - place.left - place.width / 2;
      const y = event.clientY - place.top - place.height / 2;
      zoomAt(viewport, event.deltaY < 0 ? WHEEL_ZOOM : 1 / WHEEL_ZOOM, x, y);
      return;
    }
    const { steps, rest: left } = wheelSteps(rest.current, event.deltaY, event.deltaMode);
    rest.current = left;
    if (steps !== 0) onScroll(steps);
  };
  useEffect(() => {
    // React listens to wheel passively; the page must not scroll or zoom along.
    const around = element.current;
    const listen = (event: WheelEvent) => wheel.current(event);
    around?.addEventListener("wheel", listen, { passive: false });
    return () => around?.removeEventListener("wheel", listen);
  }, [element]);
}

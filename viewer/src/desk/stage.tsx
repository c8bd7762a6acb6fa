import { type PointerEvent, type ReactNode, useCallback, useEffect, useRef, useState } from "react";
import { wheelSteps } from "../model/positions";
import { type Box, FITTED, placed, type View, zoomAbout } from "../viewport/view";
import { dragged, type Window } from "../viewport/window";
import type { Shown } from "../viewport/rendered/use-picture";

interface StageProps {
  shown: Shown | null;
  loading: boolean;
  name: string;
  view: View;
  inverted: boolean;
  /** The window to start dragging from; null: this image has none to change. */
  window: Window | null;
  onView: (view: View) => void;
  onWindow: (window: Window) => void;
  onScroll: (steps: number) => void;
  onSize: (size: Box) => void;
  children: ReactNode;
}

type Drag =
  | { kind: "window"; x: number; y: number; start: Window }
  | { kind: "pan"; x: number; y: number; start: View };

/** The large picture: wheel scrolls, dragging changes the window, Shift or the middle button moves it. */
export function Stage(props: StageProps) {
  const { shown, loading, name, view, inverted, onView, onWindow, onScroll, onSize, children } = props;
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [size, setSize] = useState<Box>({ width: 0, height: 0 });
  const drag = useRef<Drag | null>(null);
  const [dragging, setDragging] = useState(false);

  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const observer = new ResizeObserver(() => {
      const box = { width: element.clientWidth, height: element.clientHeight };
      setSize(box);
      onSize(box);
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [onSize]);

  useEffect(() => {
    draw(canvas.current, shown?.bitmap ?? null, size, view, inverted);
  }, [shown, size, view, inverted]);

  const rest = useRef(0);
  const wheel = useRef<(event: WheelEvent) => void>(() => {});
  wheel.current = (event) => {
    event.preventDefault();
    if (event.ctrlKey) {
      const box = event.currentTarget as HTMLElement;
      const place = box.getBoundingClientRect();
      const x = event.clientX - place.left - place.width / 2;
      const y = event.clientY - place.top - place.height / 2;
      onView(zoomAbout(view, event.deltaY < 0 ? 1.15 : 1 / 1.15, x, y));
      return;
    }
    const { steps, rest: left } = wheelSteps(rest.current, event.deltaY, event.deltaMode);
    rest.current = left;
    if (steps !== 0) onScroll(steps);
  };
  useEffect(() => {
    // React listens to wheel passively; the page must not scroll or zoom along.
    const element = frame.current;
    const listen = (event: WheelEvent) => wheel.current(event);
    element?.addEventListener("wheel", listen, { passive: false });
    return () => element?.removeEventListener("wheel", listen);
  }, []);

  const down = (event: PointerEvent<HTMLDivElement>) => {
    if ((event.target as HTMLElement).closest("button")) return;
    const { clientX: x, clientY: y } = event;
    if (event.button === 1 || (event.button === 0 && event.shiftKey))
      drag.current = { kind: "pan", x, y, start: view };
    else if (event.button === 0 && props.window) drag.current = { kind: "window", x, y, start: props.window };
    else return;
    event.preventDefault();
    event.currentTarget.setPointerCapture(event.pointerId);
    setDragging(true);
  };
  const move = (event: PointerEvent<HTMLDivElement>) => {
    const from = drag.current;
    if (!from) return;
    const across = event.clientX - from.x;
    const downwards = event.clientY - from.y;
    if (from.kind === "pan") onView({ ...from.start, x: from.start.x + across, y: from.start.y + downwards });
    else if (Math.abs(across) + Math.abs(downwards) > 2) onWindow(dragged(from.start, across, downwards));
  };
  const stop = useCallback(() => {
    drag.current = null;
    setDragging(false);
  }, []);

  const state = shown?.problem && !loading ? "failed" : loading || !shown ? "loading" : "shown";
  return (
    // The keyboard does all of this too: see use-desk-keys.ts and the toolbar.
    <div
      ref={frame}
      className={`stage ${dragging ? `is-dragging-${drag.current?.kind ?? "window"}` : ""}`}
      data-testid="stage"
      data-state={state}
      data-address={shown?.wanted.address}
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={stop}
      onPointerCancel={stop}
      onDoubleClick={() => onView(FITTED)}
    >
      <canvas ref={canvas} role="img" aria-label={name} />
      {children}
      {shown?.problem && !loading && (
        <div className="stage-failed" role="alert">
          <strong>This picture cannot be shown</strong>
          <p>{shown.problem.message}</p>
          <p className="quiet">It can be marked all the same.</p>
        </div>
      )}
    </div>
  );
}

function draw(
  canvas: HTMLCanvasElement | null,
  bitmap: ImageBitmap | null,
  size: Box,
  view: View,
  inverted: boolean,
): void {
  const context = canvas?.getContext("2d");
  if (!canvas || !context || size.width === 0) return;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(size.width * ratio);
  canvas.height = Math.round(size.height * ratio);
  if (!bitmap) return;
  context.scale(ratio, ratio);
  const { x, y, width, height, scale } = placed(bitmap, size, view);
  context.imageSmoothingEnabled = scale * ratio < 4;
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, x, y, width, height);
  if (inverted) {
    context.globalCompositeOperation = "difference";
    context.fillStyle = "white";
    context.fillRect(x, y, width, height);
  }
}

import { useLayoutEffect, useMemo, useRef } from "react";
import type { Study } from "../api/contract";
import type { Position } from "../model/positions";
import { titleText } from "../model/titles";
import { Star } from "../parts/icons";
import { fit, windowInForce } from "../viewport/tools";
import { useViewportState } from "../viewport/use-viewport-state";
import type { Viewport, ViewportState } from "../viewport/viewport";
import type { ImageMarks } from "./image-marks";
import { type NameOf, stackOf, type StateOf } from "./image-stack";
import { PositionSlider } from "./position-slider";
import { usePointerTools } from "./use-pointer-tools";
import type { Scroller } from "./use-scrollers";

interface ViewportPaneProps {
  study: Study;
  viewport: Viewport;
  scroller: Scroller;
  nameOf: NameOf;
  stateOf: StateOf;
  marks: ImageMarks;
}

/** One viewport on the desk: its picture, what is said over it, the pointer in it, and the way through its series. */
export function ViewportPane({ study, viewport, scroller, nameOf, stateOf, marks }: ViewportPaneProps) {
  const pane = useRef<HTMLDivElement>(null);
  const host = useRef<HTMLDivElement>(null);
  const state = useViewportState(viewport);
  const pointer = usePointerTools(pane, viewport, scroller.scroll);
  const { series, positions, position, index } = scroller;
  const stack = useMemo(
    () => (series ? stackOf(study, series, positions, nameOf, stateOf) : null),
    [study, series, positions, nameOf, stateOf],
  );

  useLayoutEffect(() => {
    if (host.current) viewport.attach(host.current);
    return () => viewport.detach();
  }, [viewport]);
  useLayoutEffect(() => {
    if (stack) viewport.show(stack, index);
  }, [viewport, stack, index]);

  const marked = useMemo(() => marks.markedIn(positions), [marks, positions]);
  const drafted = useMemo(() => marks.draftedIn(positions), [marks, positions]);
  const caption = stack?.images[index]?.caption ?? "";
  const { shown, loading } = state;
  const failure = loading ? null : (shown?.failure ?? null);
  return (
    <>
      <div
        ref={pane}
        className={`stage ${pointer.dragging ? `is-dragging-${pointer.dragging}` : ""}`}
        data-testid="stage"
        data-state={failure !== null ? "failed" : loading || !shown ? "loading" : "shown"}
        data-sop={shown?.image.sop}
        data-frame={shown?.image.frame ?? undefined}
        onPointerDownCapture={scroller.activate}
        onPointerDown={pointer.onPointerDown}
        onPointerMove={pointer.onPointerMove}
        onPointerUp={pointer.onPointerEnd}
        onPointerCancel={pointer.onPointerEnd}
        onDoubleClick={() => fit(viewport)}
      >
        <div
          ref={host}
          className="stage-picture"
          role="img"
          aria-label={shown?.image.caption ?? caption}
        />
        <div className="overlay overlay-left">
          <span>{shown?.image.caption ?? ""}</span>
        </div>
        <div className="overlay overlay-bottom">
          {shown?.image.presentationState && state.presented ? (
            <span data-testid="as-presented">as in the note</span>
          ) : (
            <WindowText state={state} />
          )}
        </div>
        {position && <StageMarks position={position} marks={marks} />}
        {failure !== null && (
          <div className="stage-failed" role="alert">
            <strong>This picture cannot be shown</strong>
            <p>{failure}</p>
            <p className="quiet">It can be marked all the same.</p>
          </div>
        )}
      </div>
      <PositionSlider
        index={index}
        count={positions.length}
        text={caption}
        marked={marked}
        drafted={drafted}
        onIndex={scroller.goTo}
      />
    </>
  );
}

function WindowText({ state }: { state: ViewportState }) {
  const window = windowInForce(state);
  if (!window) return null;
  return (
    <span data-testid="window-text">
      {`C ${window.center}  W ${window.width}${state.window ? "" : " (stored)"}`}
    </span>
  );
}

/** The notes that mark the image, and whether the draft holds it. */
function StageMarks({ position, marks }: { position: Position; marks: ImageMarks }) {
  const sop = position.instance.sop_instance_uid;
  return (
    <div className="stage-marks">
      {marks.notesAt(sop, position.frame).map((note) => (
        <span key={note.id} className="stage-mark" data-testid="stage-mark">
          <Star filled /> {titleText(note.title)}
        </span>
      ))}
      {marks.isDrafted(sop, position.frame) && (
        <span className="stage-mark stage-mark-draft" data-testid="stage-mark-draft">
          <Star filled /> in the draft
        </span>
      )}
    </div>
  );
}

import { may } from "../api/session";
import { Fit, Help, Invert, Left, LinkIcon, Overlays, Right, Star } from "../parts/icons";
import { invert, reset, switchOverlays, switchPresented, ZOOM_STEP, zoomBy } from "../viewport/tools";
import type { Viewport, ViewportState } from "../viewport/viewport";
import { WindowSelect } from "./window-select";

interface ToolbarProps {
  modality: string | null;
  viewport: Viewport;
  state: ViewportState;
  starred: boolean;
  hasMarks: boolean;
  onStar: () => void;
  onMark: (direction: 1 | -1) => void;
  onLink: () => void;
  onHelp: () => void;
}

/** What is done with the image of the active viewport. */
export function Toolbar(props: ToolbarProps) {
  const { modality, viewport, state, starred } = props;
  return (
    <div className="toolbar" role="group" aria-label="Picture tools">
      {may("mark") && (
        <button
          type="button"
          className="button star-button"
          aria-pressed={starred}
          aria-keyshortcuts="k"
          onClick={props.onStar}
          data-testid="star"
          title={starred ? "Take this picture out of the note (K)" : "Mark this picture as a key image (K)"}
        >
          <Star filled={starred} /> {starred ? "Starred" : "Star"}{" "}
          <span className="kbd" aria-hidden="true">
            K
          </span>
        </button>
      )}
      <span className="tool-group">
        <button
          type="button"
          className="icon-button"
          aria-label="Previous key image"
          title="Previous key image (P)"
          disabled={!props.hasMarks}
          onClick={() => props.onMark(-1)}
          data-testid="previous-mark"
        >
          <Left />
        </button>
        <span className="tool-text tool-hint" aria-hidden="true">
          key image
        </span>
        <button
          type="button"
          className="icon-button"
          aria-label="Next key image"
          title="Next key image (N)"
          disabled={!props.hasMarks}
          onClick={() => props.onMark(1)}
          data-testid="next-mark"
        >
          <Right />
        </button>
      </span>
      {state.windowFacts?.adjustable !== false && (
        <WindowSelect
          modality={modality}
          stored={state.windowFacts?.own ?? []}
          window={state.window}
          onWindow={(window) => viewport.setWindow(window)}
        />
      )}
      <button
        type="button"
        className="icon-button"
        aria-label="Invert grey scale"
        title="Invert (V)"
        aria-pressed={state.inverted}
        onClick={() => invert(viewport)}
      >
        <Invert />
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label="Overlays"
        title="Overlays of the image on or off (O)"
        aria-pressed={state.overlays}
        onClick={() => switchOverlays(viewport)}
        data-testid="overlays"
      >
        <Overlays />
      </button>
      {state.shown?.image.presentationState && (
        <button
          type="button"
          className="icon-button"
          aria-label="As in the note"
          title="As the author of the note saw it, or as it was stored (L)"
          aria-pressed={state.presented}
          aria-keyshortcuts="l"
          onClick={() => switchPresented(viewport)}
          data-testid="presented"
        >
          <span aria-hidden="true">PR</span>
        </button>
      )}
      <span className="tool-group">
        <button
          type="button"
          className="icon-button"
          aria-label="Zoom out"
          title="Zoom out (−)"
          onClick={() => zoomBy(viewport, 1 / ZOOM_STEP)}
        >
          <span aria-hidden="true">−</span>
        </button>
        <span className="tool-text tool-number">{Math.round(state.view.zoom * 100)} %</span>
        <button
          type="button"
          className="icon-button"
          aria-label="Zoom in"
          title="Zoom in (+)"
          onClick={() => zoomBy(viewport, ZOOM_STEP)}
        >
          <span aria-hidden="true">+</span>
        </button>
      </span>
      <button
        type="button"
        className="icon-button"
        aria-label="Reset picture"
        title="Reset window, zoom and position (0)"
        onClick={() => reset(viewport)}
        data-testid="reset"
      >
        <Fit />
      </button>
      <span className="tool-space" />
      <button
        type="button"
        className="icon-button"
        aria-label="Copy link to this picture"
        title="Copy link to this picture"
        onClick={props.onLink}
      >
        <LinkIcon />
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label="Keyboard shortcuts"
        title="Keyboard shortcuts (?)"
        onClick={props.onHelp}
        data-testid="help"
      >
        <Help />
      </button>
    </div>
  );
}

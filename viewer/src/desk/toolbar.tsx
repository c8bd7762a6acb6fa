import { type Preset, presetsFor, type Window, type WindowFacts } from "../viewport/window";
import { Contrast, Fit, Help, Invert, Left, LinkIcon, Right, Star } from "../parts/icons";

interface ToolbarProps {
  modality: string | null;
  facts: WindowFacts | null;
  window: Window | null;
  zoom: number;
  inverted: boolean;
  starred: boolean;
  hasMarks: boolean;
  onWindow: (window: Window | null) => void;
  onInvert: () => void;
  onZoom: (factor: number) => void;
  onReset: () => void;
  onStar: () => void;
  onMark: (direction: 1 | -1) => void;
  onLink: () => void;
  onHelp: () => void;
}

const same = (one: Window, other: Window) => one.center === other.center && one.width === other.width;

export function Toolbar(props: ToolbarProps) {
  const { facts, zoom, inverted, starred } = props;
  return (
    <div className="toolbar" role="group" aria-label="Picture tools">
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
      {facts?.adjustable !== false && <WindowTool {...props} />}
      <button
        type="button"
        className="icon-button"
        aria-label="Invert grey scale"
        title="Invert (V)"
        aria-pressed={inverted}
        onClick={props.onInvert}
      >
        <Invert />
      </button>
      <span className="tool-group">
        <button
          type="button"
          className="icon-button"
          aria-label="Zoom out"
          title="Zoom out (−)"
          onClick={() => props.onZoom(1 / 1.25)}
        >
          <span aria-hidden="true">−</span>
        </button>
        <span className="tool-text tool-number">{Math.round(zoom * 100)} %</span>
        <button
          type="button"
          className="icon-button"
          aria-label="Zoom in"
          title="Zoom in (+)"
          onClick={() => props.onZoom(1.25)}
        >
          <span aria-hidden="true">+</span>
        </button>
      </span>
      <button
        type="button"
        className="icon-button"
        aria-label="Reset picture"
        title="Reset window, zoom and position (0)"
        onClick={props.onReset}
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

function WindowTool({ modality, facts, window, onWindow }: ToolbarProps) {
  const own = facts?.own ?? [];
  const customary = presetsFor(modality).filter((preset) => !own.some((stored) => same(stored, preset)));
  const presets = [...own, ...customary];
  const chosen = window ? presets.findIndex((preset) => same(preset, window)) : -1;
  const value = window === null ? "default" : chosen >= 0 ? String(chosen) : "free";
  const option = (preset: Preset) => (
    <option key={`${preset.name} ${preset.center}`} value={presets.indexOf(preset)}>
      {preset.name} ({preset.center} / {preset.width})
    </option>
  );
  return (
    <label className="tool-select" title="Window: drag in the picture to change it">
      <Contrast />
      <span className="visually-hidden">Window</span>
      <select
        value={value}
        data-tool
        data-testid="window-preset"
        onChange={(event) => {
          const preset = presets[Number(event.target.value)];
          onWindow(preset ? { center: preset.center, width: preset.width } : null);
        }}
      >
        <option value="default">As stored</option>
        {own.length > 0 && <optgroup label="In the image">{own.map(option)}</optgroup>}
        {customary.length > 0 && (
          <optgroup label={`Customary for ${modality}`}>{customary.map(option)}</optgroup>
        )}
        {window && value === "free" && (
          <option value="free">
            Free ({window.center} / {window.width})
          </option>
        )}
      </select>
    </label>
  );
}

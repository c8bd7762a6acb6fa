import { Contrast } from "../parts/icons";
import { type Preset, presetsFor, type Window } from "../viewport/window";

interface WindowSelectProps {
  modality: string | null;
  /** What the image itself proposes. */
  stored: readonly Preset[];
  /** null: as stored. */
  window: Window | null;
  onWindow: (window: Window | null) => void;
}

const same = (one: Window, other: Window) => one.center === other.center && one.width === other.width;

/** The windows an image proposes, and those customary for its modality. */
export function WindowSelect({ modality, stored, window, onWindow }: WindowSelectProps) {
  const customary = presetsFor(modality).filter((preset) => !stored.some((one) => same(one, preset)));
  const presets = [...stored, ...customary];
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
        {stored.length > 0 && <optgroup label="In the image">{stored.map(option)}</optgroup>}
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

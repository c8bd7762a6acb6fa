import { Dialog } from "./dialog";

const KEYS: [string, string][] = [
  ["K", "Star this picture (a frame, in a multi-frame image)"],
  ["Shift K", "Star the whole multi-frame image"],
  ["↑ ↓ ← →", "Previous, next picture"],
  ["Page ↑ ↓", "Ten pictures on"],
  ["Home, End", "First, last picture"],
  ["[ ]", "Previous, next series"],
  ["P, N", "Previous, next key image"],
  ["+ −", "Zoom"],
  ["V", "Invert"],
  ["O", "Overlays on or off"],
  ["L", "As in the note, or as stored"],
  ["0", "Reset window, zoom and position"],
  ["Ctrl Enter", "Save the note"],
];

const POINTER: [string, string][] = [
  ["Wheel", "Scroll through the series"],
  ["Drag", "Window: across for width, down for centre"],
  ["Shift drag", "Move the picture"],
  ["Ctrl wheel", "Zoom"],
  ["Double click", "Fit"],
];

/** What the keys and the pointer do on the study page. */
export function KeysDialog({ titleKeys, onClose }: { titleKeys: [string, string][]; onClose: () => void }) {
  const table = (name: string, rows: [string, string][]) => (
    <section>
      <h3>{name}</h3>
      <dl className="keys">
        {rows.map(([key, text]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
  return (
    <Dialog title="Keyboard and pointer" testid="keys-dialog" onClose={onClose}>
      <div className="keys-columns">
        {table("Keys", KEYS)}
        <div>
          {table("Pointer", POINTER)}
          {titleKeys.length > 0 && table("Star under a title", titleKeys)}
        </div>
      </div>
    </Dialog>
  );
}

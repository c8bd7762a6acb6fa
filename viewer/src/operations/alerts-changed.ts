// Who shows alerts hears when somebody has done something about one on this page.
const CHANGED = "kinote:alerts";

export const tellAlertsChanged = () => window.dispatchEvent(new Event(CHANGED));

/** Call `listener` when alerts were changed here; returns how to end that. */
export function onAlertsChanged(listener: () => void): () => void {
  window.addEventListener(CHANGED, listener);
  return () => window.removeEventListener(CHANGED, listener);
}

// Keyboard commands of a page.
import { useEffect, useRef } from "react";

const MOVING = /^(Arrow|Page|Home|End)/;

/** Has the control that has the focus its own use for this key? */
function isTaken(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.matches("input[type=range], input[type=radio]")) return MOVING.test(key);
  if (target.matches("input[type=checkbox]")) return key === " ";
  // The select of a tool is moved by arrows; letters are the page's, not a search in its options.
  if (target.matches("select[data-tool]")) return MOVING.test(key) || key === " ";
  return target.closest("input, textarea, select, dialog, [contenteditable]") !== null;
}

/** Listen to keys pressed anywhere on the page while nobody is typing. The handler says whether it used the key. */
export function useKeys(handler: (event: KeyboardEvent) => boolean): void {
  const current = useRef(handler);
  useEffect(() => {
    current.current = handler;
  });
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (isTaken(event.target, event.key) || document.querySelector("dialog[open]")) return;
      if (current.current(event)) event.preventDefault();
    };
    window.addEventListener("keydown", listen);
    return () => window.removeEventListener("keydown", listen);
  }, []);
}

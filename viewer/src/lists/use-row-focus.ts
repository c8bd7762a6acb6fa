import type { RefObject } from "react";

/** Moving the focus along the links `a[data-row]` of a list, from its first or last one on. */
export function useRowFocus(list: RefObject<HTMLElement | null>): (step: 1 | -1) => void {
  return (step) => {
    const links = [...(list.current?.querySelectorAll<HTMLElement>("a[data-row]") ?? [])];
    const at = links.indexOf(document.activeElement as HTMLElement);
    const next = at < 0 ? (step === 1 ? 0 : links.length - 1) : at + step;
    links[next]?.focus();
  };
}

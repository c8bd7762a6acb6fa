import { type RefObject, useEffect } from "react";

/**
 * Keep the focus in a page: when what has it goes away, the nearest thing around it that `data-keeps-focus` takes it.
 *
 * Otherwise a keyboard or screen reader would begin at the top of the page again. What keeps focus needs a tabIndex.
 */
export function useKeptFocus(page: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const element = page.current;
    if (!element) return;
    let last: HTMLElement | null = null;
    let around: HTMLElement[] = [];
    const remember = ({ target }: FocusEvent) => {
      // A dialog gives the focus back itself, to what had it before.
      if (!(target instanceof HTMLElement) || target.closest("dialog")) return;
      last = target;
      around = [];
      let keeper = target.closest<HTMLElement>("[data-keeps-focus]");
      while (keeper) {
        around.push(keeper);
        keeper = keeper.parentElement?.closest<HTMLElement>("[data-keeps-focus]") ?? null;
      }
    };
    const observer = new MutationObserver(() => {
      if (!last || last.isConnected) return;
      last = null;
      if (document.activeElement !== document.body) return;
      around.find((keeper) => keeper.isConnected)?.focus({ preventScroll: true });
    });
    element.addEventListener("focusin", remember);
    observer.observe(element, { childList: true, subtree: true });
    return () => {
      element.removeEventListener("focusin", remember);
      observer.disconnect();
    };
  }, [page]);
}

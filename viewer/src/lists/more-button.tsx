import type { Pages } from "./use-pages";

/** Asks for the next page of a collection, while there is one. */
export function MoreButton({ pages, testid }: { pages: Pages<unknown>; testid: string }) {
  if (!pages.hasMore) return null;
  return (
    // Not disabled while it loads: that would take the focus away.
    <button
      type="button"
      className="button more"
      aria-disabled={pages.loading}
      onClick={() => pages.loading || pages.more()}
      data-testid={testid}
    >
      {pages.loading ? "Loading…" : "Load more"}
    </button>
  );
}

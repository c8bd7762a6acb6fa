// The window chosen for each series, and what its images propose.
import { useEffect, useState } from "react";
import { metadataAddress, type Place } from "../../api/pictures";
import { type Window, type WindowFacts, windowFacts } from "../window";

type BySeries<Value> = Readonly<Record<string, Value>>;

export interface Windows {
  /** null: as stored. */
  chosen: Window | null;
  facts: WindowFacts | null;
  /** Where a drag begins; null: nothing to drag (colour, or not known yet). */
  start: Window | null;
  choose: (window: Window | null) => void;
}

/** `sample`: an image of the series to read the proposals from. */
export function useWindows(sample: Place | null): Windows {
  const [chosen, setChosen] = useState<BySeries<Window | null>>({});
  const [facts, setFacts] = useState<BySeries<WindowFacts>>({});
  const series = sample?.series ?? "";
  const address = sample ? metadataAddress(sample) : "";
  const known = series in facts;

  useEffect(() => {
    if (!address || known) return;
    const controller = new AbortController();
    fetch(address, { headers: { Accept: "application/dicom+json" }, signal: controller.signal })
      .then(async (response) => {
        if (!response.ok) return;
        const [metadata] = (await response.json()) as Parameters<typeof windowFacts>[0][];
        if (metadata) setFacts((before) => ({ ...before, [series]: windowFacts(metadata) }));
      })
      // Without it the picture is shown as stored, and dragging does nothing.
      .catch(() => undefined);
    return () => controller.abort();
  }, [address, series, known]);

  const mine = chosen[series] ?? null;
  const said = facts[series] ?? null;
  return {
    chosen: mine,
    facts: said,
    start: said?.adjustable ? (mine ?? said.start) : null,
    choose: (window) => setChosen((before) => ({ ...before, [series]: window })),
  };
}

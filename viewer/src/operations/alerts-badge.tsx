import { useEffect, useState } from "react";
import { type AlertNumbers, alertNumbers } from "../api/operations";
import { plural } from "../model/when";
import { onAlertsChanged } from "./alerts-changed";

const LOOK_EVERY = 60_000;

/** How many alerts are open, beside the link to them. It is there only where there are any. */
export function AlertsBadge() {
  const [numbers, setNumbers] = useState<AlertNumbers | null>(null);
  useEffect(() => {
    const ending = new AbortController();
    const look = async () => {
      try {
        setNumbers(await alertNumbers(ending.signal));
      } catch {
        // Who may not see alerts, or does not reach the server, sees no number.
        if (!ending.signal.aborted) setNumbers(null);
      }
    };
    void look();
    const timer = setInterval(() => document.hidden || void look(), LOOK_EVERY);
    const end = onAlertsChanged(() => void look());
    return () => {
      ending.abort();
      clearInterval(timer);
      end();
    };
  }, []);
  if (!numbers) return null;
  const open = numbers.new + numbers.acknowledged + numbers.snoozed;
  if (open === 0) return null;
  return (
    <span className={`nav-badge ${numbers.new ? "is-new" : ""}`} data-testid="alerts-badge">
      {open}
      <span className="visually-hidden"> ({plural(open, "open alert")}, {numbers.new} new)</span>
    </span>
  );
}

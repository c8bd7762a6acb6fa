// Short messages: shown for some seconds, and spoken by screen readers.
import { createContext, type ReactNode, useCallback, useContext, useEffect, useState } from "react";

type Announce = (message: string, tone?: "quiet" | "good" | "bad") => void;

const Context = createContext<Announce>(() => {});

/** Tell the user something that needs no answer. `quiet` is spoken only. */
export const useAnnounce = () => useContext(Context);

const SHOWN_FOR = 4000;

export function AnnouncerProvider({ children }: { children: ReactNode }) {
  const [spoken, setSpoken] = useState("");
  const [shown, setShown] = useState<{ text: string; tone: "good" | "bad" } | null>(null);
  const announce = useCallback<Announce>((message, tone = "good") => {
    setSpoken(message);
    if (tone !== "quiet") setShown({ text: message, tone });
  }, []);
  useEffect(() => {
    if (!shown) return;
    const timer = setTimeout(() => setShown(null), SHOWN_FOR);
    return () => clearTimeout(timer);
  }, [shown]);
  return (
    <Context value={announce}>
      {children}
      <div className="visually-hidden" aria-live="polite" data-testid="announcer">
        {spoken}
      </div>
      {shown && (
        <div className={`toast toast-${shown.tone}`} aria-hidden="true" data-testid="toast">
          {shown.text}
        </div>
      )}
    </Context>
  );
}

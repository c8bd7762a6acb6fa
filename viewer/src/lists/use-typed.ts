// Text that is searched for while it is being typed.
import { useEffect, useRef, useState } from "react";

// Long enough for a word to be typed, short enough to feel immediate.
const TYPING_PAUSE = 250;

/** What stands in a search field, and how to change it; `onChange` hears of it once typing pauses. */
export function useTyped(
  value: string,
  onChange: (text: string) => void,
): [string, (text: string) => void] {
  const [text, setText] = useState(value);
  const latest = useRef({ value, onChange });
  latest.current = { value, onChange };
  // What was typed comes back as the value; only a value from elsewhere may replace what is being typed.
  const sent = useRef(value);
  useEffect(() => {
    if (value === sent.current) return;
    sent.current = value;
    setText(value);
  }, [value]);
  useEffect(() => {
    const timer = setTimeout(() => {
      if (text === latest.current.value) return;
      sent.current = text;
      latest.current.onChange(text);
    }, TYPING_PAUSE);
    return () => clearTimeout(timer);
  }, [text]);
  return [text, setText];
}

// The fields of a filter bar beside its search field.
import type { ReactNode } from "react";
import { useTyped } from "./use-typed";

interface FieldProps {
  label: string;
  value: string;
  testid: string;
  onChange: (value: string) => void;
}

interface ChoiceFieldProps extends FieldProps {
  /** The options. */
  children: ReactNode;
}

/** One of some values. */
export function ChoiceField({ label, value, testid, onChange, children }: ChoiceFieldProps) {
  return (
    <label className="field-inline">
      <span>{label}</span>
      <select value={value} data-testid={testid} onChange={(event) => onChange(event.target.value)}>
        {children}
      </select>
    </label>
  );
}

interface DayFieldProps extends FieldProps {
  /** The first and the last day that can be chosen; empty: any. */
  min?: string;
  max?: string;
}

/** A day, as `2026-11-24`; empty for none. */
export function DayField({ label, value, testid, onChange, min, max }: DayFieldProps) {
  return (
    <label className="field-inline">
      <span>{label}</span>
      <input
        type="date"
        value={value}
        min={min || undefined}
        max={max || undefined}
        data-testid={testid}
        onChange={(event) => onChange(event.target.value)}
      />
    </label>
  );
}

/** Text; `onChange` hears of it once typing pauses. */
export function TextField({ label, value, testid, onChange, hint }: FieldProps & { hint: string }) {
  const [text, setText] = useTyped(value, onChange);
  return (
    <label className="field-inline">
      <span>{label}</span>
      <input
        type="text"
        size={14}
        value={text}
        placeholder={hint}
        data-testid={testid}
        onChange={(event) => setText(event.target.value)}
      />
    </label>
  );
}

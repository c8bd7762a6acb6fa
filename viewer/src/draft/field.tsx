import { type ReactNode, useId } from "react";

/** What ties a control to its label and to its errors. */
export interface FieldIds {
  id: string;
  "aria-describedby": string | undefined;
  "aria-invalid": boolean;
}

interface FieldProps {
  label: string;
  errors: string[];
  children: (ids: FieldIds) => ReactNode;
}

/** A labelled control of the draft, and what is wrong with it. */
export function Field({ label, errors, children }: FieldProps) {
  const id = useId();
  const bad = errors.length > 0;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({ id, "aria-describedby": bad ? `${id}-error` : undefined, "aria-invalid": bad })}
      {bad && <FieldErrors id={`${id}-error`} errors={errors} />}
    </div>
  );
}

/** What is wrong with a field; it can take the focus where the field has no control. */
export function FieldErrors({ id, errors }: { id?: string; errors: string[] }) {
  return (
    <div id={id} className="field-errors" role="alert" tabIndex={-1} data-testid="field-error">
      {errors.map((error) => (
        <p key={error}>{error}</p>
      ))}
    </div>
  );
}

import { type Dispatch, useId } from "react";
import type { Title } from "../api/contract";
import type { Draft, DraftAction } from "../model/draft";
import { codeKey, findTitle, sameCode } from "../model/titles";
import { FieldErrors } from "./field";

interface ModifiersProps {
  draft: Draft;
  titles: readonly Title[];
  errors: string[];
  dispatch: Dispatch<DraftAction>;
}

/** The modifiers a title calls for, or allows. */
export function Modifiers({ draft, titles, errors, dispatch }: ModifiersProps) {
  const id = useId();
  const rule = findTitle(titles, draft.title)?.modifiers;
  if (!rule) return errors.length > 0 ? <FieldErrors errors={errors} /> : null;
  return (
    <fieldset
      className="field"
      aria-describedby={errors.length ? id : undefined}
      data-testid="draft-modifiers"
    >
      <legend>
        Modifiers <span className="quiet">{rule.mandatory ? "at least one" : "optional"}</span>
      </legend>
      <div className="chips">
        {rule.items.map((modifier) => (
          <label key={codeKey(modifier)} className="chip chip-check">
            <input
              type="checkbox"
              value={codeKey(modifier)}
              checked={draft.modifiers.some((chosen) => sameCode(chosen, modifier))}
              onChange={(event) => dispatch({ kind: "modifier", modifier, on: event.target.checked })}
            />
            {modifier.meaning || modifier.value}
          </label>
        ))}
      </div>
      {errors.length > 0 && <FieldErrors id={id} errors={errors} />}
    </fieldset>
  );
}

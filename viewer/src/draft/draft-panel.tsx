import { type Dispatch, useEffect, useRef, useState } from "react";
import type { Title } from "../api/contract";
import { signedIn } from "../api/session";
import { type Problem, sortErrors } from "../api/problem";
import { type Draft, type DraftAction, lacks } from "../model/draft";
import { DraftImages } from "./draft-images";
import { Field } from "./field";
import { Modifiers } from "./modifiers";
import { TitlePicker } from "./title-picker";

interface DraftPanelProps {
  draft: Draft;
  dispatch: Dispatch<DraftAction>;
  titles: readonly Title[];
  saving: boolean;
  problem: Problem | null;
  at: { sop: string; frame: number | null } | null;
  nameOf: (sop: string) => string | null;
  onGo: (sop: string, frame: number | null, study: string) => void;
  onSave: () => void;
  onDiscard: () => void;
}

/** The note being written. */
export function DraftPanel(props: DraftPanelProps) {
  const { draft, dispatch, titles, saving, problem, onSave, onDiscard } = props;
  // How often saving was tried while something was missing.
  const [tries, setTries] = useState(0);
  const missing = lacks(draft, titles);
  const sorted = problem ? sortErrors(problem) : null;
  const messages = (field: "title" | "modifiers" | "description" | "references" | "author"): string[] => [
    ...(tries > 0 ? missing.filter((lack) => lack.field === field).map((lack) => lack.message) : []),
    ...(sorted?.byField[field] ?? []),
  ];
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (tries > 0 || problem) focusWhatIsWrong(form.current);
  }, [tries, problem]);
  const save = () => {
    if (missing.length > 0) setTries(tries + 1);
    else if (!saving) onSave();
  };
  return (
    <form
      ref={form}
      className="draft"
      aria-label={draft.revises ? "Revise note" : "New note"}
      data-testid="draft"
      data-revises={draft.revises?.id}
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
          event.preventDefault();
          save();
        }
      }}
    >
      <div className="panel-head">
        <h2>{draft.revises ? "Revise note" : "New note"}</h2>
        {draft.touched && <span className="badge badge-draft">not saved</span>}
      </div>
      <DraftImages
        {...props}
        errors={messages("references")}
        byReference={sorted?.byReference ?? new Map()}
      />
      <Field label="Title" errors={messages("title")}>
        {(ids) => (
          <TitlePicker
            {...ids}
            titles={titles}
            chosen={draft.title}
            onChoose={(title) => dispatch({ kind: "title", title })}
          />
        )}
      </Field>
      <Modifiers draft={draft} titles={titles} errors={messages("modifiers")} dispatch={dispatch} />
      <Field label="Description" errors={messages("description")}>
        {(ids) => (
          <textarea
            {...ids}
            rows={3}
            dir="auto"
            value={draft.description}
            placeholder="What is to be seen, in any language"
            data-testid="draft-description"
            onChange={(event) => dispatch({ kind: "description", text: event.target.value })}
          />
        )}
      </Field>
      <Field label={draft.revises ? "Author of this version" : "Author"} errors={messages("author")}>
        {(ids) => (
          <input
            {...ids}
            type="text"
            autoComplete="name"
            value={draft.author.name}
            placeholder="Your name"
            readOnly={signedIn() !== null}
            data-testid="draft-author"
            onChange={(event) => dispatch({ kind: "author", name: event.target.value })}
          />
        )}
      </Field>
      {sorted && sorted.other.length > 0 && problem && (
        <div className="notice notice-bad" role="alert" tabIndex={-1} data-testid="draft-problem">
          <strong>{problem.title}</strong>
          {sorted.other
            .filter((text) => text !== problem.title)
            .map((text) => (
              <p key={text}>{text}</p>
            ))}
        </div>
      )}
      <div className="draft-actions">
        <button type="button" className="button plain" onClick={onDiscard} data-testid="draft-discard">
          Discard
        </button>
        <button
          type="submit"
          className="button primary"
          aria-disabled={saving}
          data-testid="draft-save"
          title="Ctrl+Enter"
        >
          {saving ? "Saving…" : draft.revises ? "Save revision" : "Save note"}
        </button>
      </div>
    </form>
  );
}

/** Lead to the first field that is wrong; to what is said of the whole where no field is. */
function focusWhatIsWrong(form: HTMLFormElement | null): void {
  const said = form?.querySelector<HTMLElement>(".field-errors, .notice");
  const field = said?.closest(".draft-image, .field")?.querySelector<HTMLElement>("select, textarea, input, button");
  (field ?? said)?.focus();
}

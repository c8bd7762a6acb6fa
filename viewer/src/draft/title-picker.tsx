import type { Code, Title } from "../api/contract";
import { codeKey, codeOf, findTitle, sameCode, titleGroups } from "../model/titles";
import type { FieldIds } from "./field";

interface TitlePickerProps extends FieldIds {
  titles: readonly Title[];
  chosen: Code | null;
  onChoose: (title: Code | null) => void;
}

const withKey = (title: Title) => (title.hot_key ? `${title.meaning}  [${title.hot_key}]` : title.meaning);

/** The document title: the ones with hot keys at hand, all of them in the list. */
export function TitlePicker({ titles, chosen, onChoose, ...ids }: TitlePickerProps) {
  const known = findTitle(titles, chosen);
  const quick = titles.filter((title) => title.can_be_made && title.hot_key);
  return (
    <>
      <select
        {...ids}
        value={chosen ? codeKey(chosen) : ""}
        data-testid="draft-title"
        onChange={(event) => {
          const title = titles.find((candidate) => codeKey(candidate) === event.target.value);
          onChoose(title ? codeOf(title) : null);
        }}
      >
        <option value="">Choose a title…</option>
        {chosen && !known && <option value={codeKey(chosen)}>{chosen.meaning || chosen.value}</option>}
        {titleGroups(titles).map((group) => (
          <optgroup key={group.group} label={group.name}>
            {group.titles.map((title) => (
              <option key={codeKey(title)} value={codeKey(title)}>
                {withKey(title)}
              </option>
            ))}
          </optgroup>
        ))}
      </select>
      {quick.length > 0 && (
        <fieldset className="quick-titles">
          <legend className="visually-hidden">Titles with a key</legend>
          {quick.map((title) => (
            <button
              key={codeKey(title)}
              type="button"
              className="chip chip-button"
              aria-pressed={chosen !== null && sameCode(title, chosen)}
              data-testid="quick-title"
              onClick={() => onChoose(codeOf(title))}
            >
              <span className="kbd" aria-hidden="true">
                {title.hot_key}
              </span>{" "}
              {title.meaning}
            </button>
          ))}
        </fieldset>
      )}
    </>
  );
}

import type { ReactNode, RefObject } from "react";
import { Cross, Search } from "../parts/icons";
import { useTyped } from "./use-typed";

interface FilterBarProps {
  text: string;
  /** What the search field is called, and what it hints at while it is empty. */
  label: string;
  hint: string;
  isFiltered: boolean;
  search: RefObject<HTMLInputElement | null>;
  testids: { search: string; clear: string };
  onText: (text: string) => void;
  onClear: () => void;
  /** Down from the search field: to the rows. */
  onArrowDown: () => void;
  /** The other fields. */
  children: ReactNode;
}

/** What a list is searched by: the text, the fields of this list, and a way to clear them all. */
export function FilterBar(props: FilterBarProps) {
  const { label, hint, isFiltered, search, testids, onClear, onArrowDown, children } = props;
  const [text, setText] = useTyped(props.text, props.onText);
  return (
    <form className="filter-bar" onSubmit={(event) => event.preventDefault()}>
      <search className="filter-search">
        <Search />
        <input
          ref={search}
          type="search"
          dir="auto"
          value={text}
          placeholder={hint}
          aria-label={label}
          aria-keyshortcuts="/"
          data-testid={testids.search}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key !== "ArrowDown") return;
            event.preventDefault();
            onArrowDown();
          }}
        />
        <span className="kbd" aria-hidden="true">
          /
        </span>
      </search>
      {children}
      {isFiltered && (
        <button type="button" className="button plain" data-testid={testids.clear} onClick={onClear}>
          <Cross /> Clear
        </button>
      )}
    </form>
  );
}

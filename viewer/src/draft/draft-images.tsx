import { type Dispatch, useState } from "react";
import { thumbnailAddress } from "../api/pictures";
import type { Draft, DraftAction, DraftReference } from "../model/draft";
import { keepLook, keepsLook } from "../model/draft-store";
import { presentationText } from "../model/presentation";
import { plural } from "../model/when";
import { Cross, Left, Right } from "../parts/icons";
import { Picture } from "../parts/picture";
import { FieldErrors } from "./field";

interface DraftImagesProps {
  draft: Draft;
  dispatch: Dispatch<DraftAction>;
  at: { sop: string; frame: number | null } | null;
  nameOf: (sop: string) => string | null;
  onGo: (sop: string, frame: number | null, study: string) => void;
  errors: string[];
  byReference: ReadonlyMap<number, string[]>;
}

/** The images of the draft, in order: go to, reorder (by dragging, or by the buttons), take out. */
export function DraftImages({ draft, dispatch, at, nameOf, onGo, errors, byReference }: DraftImagesProps) {
  const [dragged, setDragged] = useState<number | null>(null);
  const [keeps, setKeeps] = useState(keepsLook);
  const count = draft.references.length;
  return (
    <fieldset className="field">
      <legend>
        Key images <span className="quiet">{plural(count, "image")}</span>
      </legend>
      {count === 0 && (
        <p className="quiet">
          Press <kbd>K</kbd> on a picture to add it.
        </p>
      )}
      <ol className="draft-images" data-testid="draft-images">
        {draft.references.map((reference, index) => (
          // Dragging is a convenience for the pointer; the buttons do the same for everybody.
          <li
            key={`${reference.sop} ${reference.presentationState} ${JSON.stringify(reference.presentation)}`}
            className={`draft-image ${dragged === index ? "is-dragged" : ""} ${byReference.has(index) ? "is-wrong" : ""}`}
            draggable
            onDragStart={() => setDragged(index)}
            onDragEnd={() => setDragged(null)}
            onDragOver={(event) => event.preventDefault()}
            onDrop={() => dragged !== null && dispatch({ kind: "move", from: dragged, to: index })}
            data-testid="draft-image"
            data-sop={reference.sop}
          >
            <DraftImage
              reference={reference}
              index={index}
              last={index === count - 1}
              current={at?.sop === reference.sop}
              name={nameOf(reference.sop) ?? "Image of another study"}
              dispatch={dispatch}
              onGo={onGo}
            />
            {byReference.get(index)?.map((error) => (
              <FieldErrors key={error} errors={[error]} />
            ))}
          </li>
        ))}
      </ol>
      <label className="check">
          <input
            type="checkbox"
            checked={keeps}
            onChange={(event) => {
              keepLook(event.target.checked);
              setKeeps(event.target.checked);
            }}
            data-testid="draft-keep-look"
          />{" "}
          Keep window and enlargement of images that are added
        </label>
      {errors.length > 0 && <FieldErrors errors={errors} />}
    </fieldset>
  );
}

interface DraftImageProps {
  reference: DraftReference;
  index: number;
  last: boolean;
  current: boolean;
  name: string;
  dispatch: Dispatch<DraftAction>;
  onGo: (sop: string, frame: number | null, study: string) => void;
}

function DraftImage({ reference, index, last, current, name, dispatch, onGo }: DraftImageProps) {
  const place = reference.series && { study: reference.study, series: reference.series, sop: reference.sop };
  const frame = reference.frames[0] ?? null;
  return (
    <>
      <button
        type="button"
        className="tile"
        aria-current={current ? "true" : undefined}
        aria-label={`Go to ${name}`}
        onClick={() => onGo(reference.sop, frame, reference.study)}
      >
        <Picture address={place ? thumbnailAddress(place, frame, reference.presentationState) : null} text="" />
        {reference.presentationState && <span className="tile-tag">PR</span>}
      </button>
      <span className="draft-image-text">
        <span className="draft-image-name">{name}</span>
        <span className="chips">
          {(reference.presentation || reference.presentationState) && (
            <span className="chip" data-testid="draft-look">
              {reference.presentation ? presentationText(reference.presentation) : "as in the note"}
              <button
                type="button"
                className="chip-remove"
                aria-label={`Show ${name} as it was stored`}
                onClick={() => dispatch({ kind: "asStored", index })}
                data-testid="draft-as-stored"
              >
                <Cross />
              </button>
            </span>
          )}
          {reference.frames.map((number) => (
            <span key={number} className="chip">
              frame {number}
              <button
                type="button"
                className="chip-remove"
                aria-label={`Take frame ${number} out`}
                onClick={() => dispatch({ kind: "removeFrame", index, frame: number })}
              >
                <Cross />
              </button>
            </span>
          ))}
        </span>
      </span>
      <span className="draft-image-actions">
        <button
          type="button"
          className="icon-button small"
          aria-label={`Move ${name} earlier`}
          title="Earlier"
          disabled={index === 0}
          onClick={() => dispatch({ kind: "move", from: index, to: index - 1 })}
          data-testid="draft-image-earlier"
        >
          <Left />
        </button>
        <button
          type="button"
          className="icon-button small"
          aria-label={`Move ${name} later`}
          title="Later"
          disabled={last}
          onClick={() => dispatch({ kind: "move", from: index, to: index + 1 })}
          data-testid="draft-image-later"
        >
          <Right />
        </button>
        <button
          type="button"
          className="icon-button small danger"
          aria-label={`Take ${name} out`}
          title="Take out"
          onClick={() => dispatch({ kind: "remove", index })}
          data-testid="draft-image-remove"
        >
          <Cross />
        </button>
      </span>
    </>
  );
}

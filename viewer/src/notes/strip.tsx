import { useState } from "react";
import type { Note } from "../api/contract";
import { thumbnailAddress } from "../api/pictures";
import { statusText, type Tile, tilesOf } from "../model/notes";
import { Star } from "../parts/icons";
import { Picture } from "../parts/picture";

interface StripProps {
  note: Note;
  /** The image (and frame) on the stage. */
  at: { sop: string; frame: number | null } | null;
  /** How an image is called here, e.g. "Axial · 14"; null for one this study does not have. */
  nameOf: (sop: string) => string | null;
  onGo: (tile: Tile) => void;
}

const SHORT = 12;

/** The key images of a note, in its order. */
export function Strip({ note, at, nameOf, onGo }: StripProps) {
  const [all, setAll] = useState(false);
  const tiles = tilesOf(note);
  const shown = all ? tiles : tiles.slice(0, SHORT);
  return (
    <ul className="strip" aria-label="Key images" data-testid="strip">
      {shown.map((tile, index) => (
        // A note may name the same frame twice; its place in the order is what tells tiles apart.
        <li key={index}>
          <StripTile
            note={note}
            tile={tile}
            name={nameOf(tile.reference.sop_instance_uid)}
            at={at}
            onGo={onGo}
          />
        </li>
      ))}
      {tiles.length > shown.length && (
        <li>
          <button type="button" className="tile tile-more" onClick={() => setAll(true)}>
            +{tiles.length - shown.length}
            <span className="visually-hidden"> more images</span>
          </button>
        </li>
      )}
    </ul>
  );
}

interface StripTileProps {
  note: Note;
  tile: Tile;
  name: string | null;
  at: StripProps["at"];
  onGo: (tile: Tile) => void;
}

function StripTile({ note, tile, name, at, onGo }: StripTileProps) {
  const { reference, frame } = tile;
  const label = [name ?? "Image of another study", frame ? `frame ${frame}` : ""].filter(Boolean).join(", ");
  if (reference.status !== "resolved") {
    return (
      <span
        className={`tile tile-${reference.status}`}
        title={`${statusText(reference.status)} (${reference.sop_instance_uid})`}
        data-testid="tile"
        data-status={reference.status}
      >
        <span className="tile-status">{reference.status}</span>
        <span className="visually-hidden">{statusText(reference.status)}</span>
      </span>
    );
  }
  const place = reference.series_instance_uid && {
    study: reference.study_instance_uid ?? note.study_instance_uid,
    series: reference.series_instance_uid,
    sop: reference.sop_instance_uid,
  };
  const current = at?.sop === reference.sop_instance_uid && (frame === null || frame === at.frame);
  return (
    <button
      type="button"
      className="tile"
      aria-current={current ? "true" : undefined}
      title={label}
      data-testid="tile"
      data-status="resolved"
      data-sop={reference.sop_instance_uid}
      data-frame={frame ?? undefined}
      onClick={() => onGo(tile)}
    >
      <Picture address={place ? thumbnailAddress(place, frame, reference.presentation_state_uid) : null} text={label} />
      <span className="tile-star">
        <Star filled />
      </span>
      {(frame !== null || !name) && (
        <span className="tile-caption">{frame !== null ? `f ${frame}` : "other study"}</span>
      )}
      {reference.presentation_state_uid && (
        <span className="tile-tag" title="To be shown with a presentation state">
          PR
        </span>
      )}
    </button>
  );
}

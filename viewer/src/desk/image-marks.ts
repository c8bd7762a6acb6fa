// Which images of the study are marked: by its notes, and by the draft.
import { useMemo } from "react";
import type { Note, Title } from "../api/contract";
import { type Draft, holds } from "../model/draft";
import { type Marks, marksOf, notesAt } from "../model/notes";
import type { Position } from "../model/positions";

export interface ImageMarks {
  byNotes: Marks;
  notesAt: (sop: string, frame: number | null) => Note[];
  isDrafted: (sop: string, frame: number | null) => boolean;
  /** The positions that notes mark, and those that the draft holds. */
  markedIn: (positions: readonly Position[]) => ReadonlySet<number>;
  draftedIn: (positions: readonly Position[]) => ReadonlySet<number>;
}

const NO_NOTES: readonly Note[] = [];

export function useImageMarks(notes: readonly Note[] | null, titles: readonly Title[], draft: Draft): ImageMarks {
  const byNotes = useMemo(() => marksOf(notes ?? NO_NOTES, titles), [notes, titles]);
  return useMemo(() => {
    const notesHere = (sop: string, frame: number | null) => notesAt(byNotes, sop, frame);
    const isDrafted = (sop: string, frame: number | null) => holds(draft, sop, frame);
    return {
      byNotes,
      notesAt: notesHere,
      isDrafted,
      markedIn: (positions) => indexesWhere(positions, (sop, frame) => notesHere(sop, frame).length > 0),
      draftedIn: (positions) => indexesWhere(positions, isDrafted),
    };
  }, [byNotes, draft]);
}

function indexesWhere(
  positions: readonly Position[],
  test: (sop: string, frame: number | null) => boolean,
): ReadonlySet<number> {
  const found = new Set<number>();
  positions.forEach(({ instance, frame }, index) => {
    if (test(instance.sop_instance_uid, frame)) found.add(index);
  });
  return found;
}

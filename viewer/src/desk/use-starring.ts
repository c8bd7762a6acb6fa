// Marking the image that the active viewport looks at.
import type { Dispatch } from "react";
import type { Study, Title } from "../api/contract";
import { type Draft, type DraftAction, holds, type Target } from "../model/draft";
import { firstTitle, keepsLook } from "../model/draft-store";
import { codeOf } from "../model/titles";
import { useAnnounce } from "../parts/announcer";
import { presentationIn, stateIn } from "../viewport/presentation";
import type { Viewport } from "../viewport/viewport";
import type { NameOf } from "./image-stack";
import type { Scroller } from "./use-scrollers";

interface StarringParts {
  study: Study;
  titles: readonly Title[];
  scroller: Scroller;
  /** The viewport that looks at the image: how it looks there goes with the note. */
  viewport: Viewport;
  draft: Draft;
  dispatch: Dispatch<DraftAction>;
  nameOf: NameOf;
}

export interface Starring {
  /** The image that is looked at, as the draft takes it; null: there is none. */
  target: Target | null;
  /** Put it into the draft, or take it out; `whole`: the image with all its frames. */
  star: (whole?: boolean) => void;
  /** Put it into the draft, and give that this title. */
  starUnder: (title: Title) => void;
}

export function useStarring(parts: StarringParts): Starring {
  const { study, titles, scroller, viewport, draft, dispatch, nameOf } = parts;
  const announce = useAnnounce();
  const { series, position } = scroller;
  const target = series &&
    position && {
      study: study.study_instance_uid,
      series: series.series_instance_uid,
      sop: position.instance.sop_instance_uid,
      frame: position.frame,
    };
  /** The image as it looks at this moment. */
  const asSeen = (aim: Target): Target => {
    if (!keepsLook()) return aim;
    // What another note says is said again. What is changed on top of it cannot be: it is of what the state shows.
    const presentationState = stateIn(viewport);
    return { ...aim, presentationState, presentation: presentationState ? null : presentationIn(viewport) };
  };
  return {
    target,
    star: (whole = false) => {
      if (!target) return;
      const aim = whole ? { ...target, frame: null } : target;
      const name = [nameOf(aim.sop), aim.frame && `frame ${aim.frame}`].filter(Boolean).join(", ");
      announce(holds(draft, aim.sop, aim.frame) ? `Took out ${name}` : `Starred ${name}`, "quiet");
      if (!draft.title) dispatch({ kind: "title", title: firstTitle(titles) });
      dispatch({ kind: "toggle", target: asSeen(aim) });
    },
    starUnder: (title) => {
      if (!target) return;
      dispatch({ kind: "title", title: codeOf(title) });
      dispatch({ kind: "add", target: asSeen(target) });
      announce(`Starred as “${title.meaning}”`, "quiet");
    },
  };
}

import type { Study } from "../api/contract";
import { useAnnounce } from "../parts/announcer";
import { useViewportState } from "../viewport/use-viewport-state";
import type { Viewport } from "../viewport/viewport";
import type { ImageMarks } from "./image-marks";
import type { NameOf, StateOf } from "./image-stack";
import { Toolbar } from "./toolbar";
import type { Scrollers } from "./use-scrollers";
import { ViewportPane } from "./viewport-pane";
import type { ViewportId } from "./where";

interface PictureAreaProps {
  study: Study;
  scrollers: Scrollers;
  viewportOf: (id: ViewportId) => Viewport;
  marks: ImageMarks;
  nameOf: NameOf;
  stateOf: StateOf;
  onStar: () => void;
  onMark: (direction: 1 | -1) => void;
  onHelp: () => void;
}

/** The viewports, and the tools that work on the active one. */
export function PictureArea(props: PictureAreaProps) {
  const { study, scrollers, viewportOf, marks, nameOf, stateOf, onStar, onMark, onHelp } = props;
  const announce = useAnnounce();
  const { series, position, positions } = scrollers.active;
  const viewport = viewportOf(scrollers.active.viewport);
  const state = useViewportState(viewport);
  const copyLink = () => {
    navigator.clipboard.writeText(window.location.href).then(
      () => announce("Link copied"),
      () => announce("The browser does not allow copying; the address bar has the link", "bad"),
    );
  };
  if (!series) {
    return (
      <section className="picture-area picture-area-empty" aria-label="Picture">
        <p className="quiet">This study has no pictures.</p>
      </section>
    );
  }
  return (
    <section className="picture-area" aria-label="Picture">
      <Toolbar
        modality={series.modality}
        viewport={viewport}
        state={state}
        starred={position !== null && marks.isDrafted(position.instance.sop_instance_uid, position.frame)}
        hasMarks={marks.markedIn(positions).size > 0}
        onStar={onStar}
        onMark={onMark}
        onLink={copyLink}
        onHelp={onHelp}
      />
      {scrollers.all.map((scroller) => (
        <ViewportPane
          key={scroller.viewport}
          study={study}
          viewport={viewportOf(scroller.viewport)}
          scroller={scroller}
          nameOf={nameOf}
          stateOf={stateOf}
          marks={marks}
        />
      ))}
    </section>
  );
}

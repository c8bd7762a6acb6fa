import { useMemo, useState } from "react";
import type { Note, Study } from "../api/contract";
import { type Place, renderedAddress } from "../api/pictures";
import { neighbours, type Position } from "../model/positions";
import { titleText } from "../model/titles";
import { type Box, clampZoom, FITTED, sideFor, type View } from "../viewport/view";
import { useAnnounce } from "../parts/announcer";
import { Star } from "../parts/icons";
import { useKeys } from "../parts/keys";
import { PositionSlider } from "./position-slider";
import { Stage } from "./stage";
import { Toolbar } from "./toolbar";
import { usePicture, type Wanted } from "../viewport/rendered/use-picture";
import type { Scroller } from "./use-scroller";
import { useWindows } from "../viewport/rendered/use-windows";

interface PictureAreaProps {
  study: Study;
  scroller: Scroller;
  marked: ReadonlySet<number>;
  drafted: ReadonlySet<number>;
  /** The notes that flag the picture on the stage. */
  notesHere: Note[];
  starred: boolean;
  name: string;
  onStar: () => void;
  onMark: (direction: 1 | -1) => void;
  onHelp: () => void;
}

export function PictureArea(props: PictureAreaProps) {
  const { study, scroller, marked, drafted, notesHere, starred, name, onStar, onMark, onHelp } = props;
  const { series, positions, index, position } = scroller;
  const announce = useAnnounce();
  const [view, setView] = useState<View>(FITTED);
  const [inverted, setInverted] = useState(false);
  const [size, setSize] = useState<Box>({ width: 0, height: 0 });
  const windows = useWindows(useSample(study, scroller));
  const { chosen } = windows;

  const addressOf = (at: Position): string => {
    const { instance, frame } = at;
    const place = {
      study: study.study_instance_uid,
      series: series?.series_instance_uid ?? "",
      sop: instance.sop_instance_uid,
    };
    const side = sideFor(instance, size, view.zoom, window.devicePixelRatio || 1);
    return renderedAddress(place, frame, { window: chosen, side });
  };
  const caption = position?.frame ? `${name}, frame ${position.frame} of ${position.instance.frames}` : name;
  const address = position && size.width > 0 ? addressOf(position) : null;
  const wanted = useMemo<Wanted | null>(() => (address ? { address, caption } : null), [address, caption]);
  const near = size.width > 0 ? neighbours(index, positions.length, scroller.direction) : [];
  const { shown, loading } = usePicture(
    wanted,
    near.flatMap((other) => positions[other] ?? []).map(addressOf),
  );

  const zoom = (factor: number) =>
    setView((before) => ({ ...before, zoom: clampZoom(before.zoom * factor) }));
  const reset = () => {
    setView(FITTED);
    setInverted(false);
    windows.choose(null);
  };
  const copyLink = () => {
    navigator.clipboard.writeText(window.location.href).then(
      () => announce("Link copied"),
      () => announce("The browser does not allow copying; the address bar has the link", "bad"),
    );
  };
  useKeys(({ key }) => {
    if (key === "+" || key === "=") zoom(1.25);
    else if (key === "-") zoom(1 / 1.25);
    else if (key === "0") reset();
    else if (key === "v") setInverted(!inverted);
    else return false;
    return true;
  });

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
        facts={windows.facts}
        window={chosen}
        zoom={view.zoom}
        inverted={inverted}
        starred={starred}
        hasMarks={marked.size > 0}
        onWindow={windows.choose}
        onInvert={() => setInverted(!inverted)}
        onZoom={zoom}
        onReset={reset}
        onStar={onStar}
        onMark={onMark}
        onLink={copyLink}
        onHelp={onHelp}
      />
      <Stage
        shown={shown}
        loading={loading}
        name={shown?.wanted.caption ?? caption}
        view={view}
        inverted={inverted}
        window={windows.start}
        onView={setView}
        onWindow={windows.choose}
        onScroll={scroller.scroll}
        onSize={setSize}
      >
        <div className="overlay overlay-left">
          <span>{shown?.wanted.caption ?? ""}</span>
        </div>
        <div className="overlay overlay-bottom">
          {windows.start && (
            <span data-testid="window-text">
              {chosen
                ? `C ${chosen.center}  W ${chosen.width}`
                : `C ${windows.start.center}  W ${windows.start.width} (stored)`}
            </span>
          )}
        </div>
        <StageMarks notes={notesHere} starred={starred} />
      </Stage>
      <PositionSlider
        index={index}
        count={positions.length}
        text={caption}
        marked={marked}
        drafted={drafted}
        onIndex={scroller.goTo}
      />
    </section>
  );
}

/** The image whose metadata stands for its series: the first image. */
function useSample(study: Study, { series }: Scroller): Place | null {
  const first = series?.instances.find((instance) => instance.is_image);
  return series && first
    ? { study: study.study_instance_uid, series: series.series_instance_uid, sop: first.sop_instance_uid }
    : null;
}

function StageMarks({ notes, starred }: { notes: Note[]; starred: boolean }) {
  return (
    <div className="stage-marks">
      {notes.map((note) => (
        <span key={note.id} className="stage-mark" data-testid="stage-mark">
          <Star filled /> {titleText(note.title)}
        </span>
      ))}
      {starred && (
        <span className="stage-mark stage-mark-draft" data-testid="stage-mark-draft">
          <Star filled /> in the draft
        </span>
      )}
    </div>
  );
}

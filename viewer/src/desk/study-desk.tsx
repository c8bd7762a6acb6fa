import { useMemo, useState } from "react";
import type { Note, Study, Title } from "../api/contract";
import { may } from "../api/session";
import { ConflictDialog } from "../dialogs/conflict-dialog";
import { DiscardDialog } from "../dialogs/discard-dialog";
import { KeysDialog } from "../dialogs/keys-dialog";
import { WithdrawDialog } from "../dialogs/withdraw-dialog";
import { DraftPanel } from "../draft/draft-panel";
import { useDraft } from "../draft/use-draft";
import { useSaving } from "../draft/use-saving";
import { isOpen, isUnsaved } from "../model/draft";
import { loadAuthor } from "../model/draft-store";
import { statesIn, type Tile } from "../model/notes";
import { nextMarked } from "../model/positions";
import { titleText } from "../model/titles";
import { NotesPanel } from "../notes/notes-panel";
import { useNotes } from "../notes/use-notes";
import { UndoOffer } from "../notes/undo-offer";
import { useWithdrawal } from "../notes/use-withdrawal";
import { useAnnounce } from "../parts/announcer";
import { go, studyAddress } from "../router";
import { reset } from "../viewport/tools";
import type { CreateViewport } from "../viewport/viewport";
import { useImageMarks } from "./image-marks";
import { imageNames } from "./image-stack";
import { PictureArea } from "./picture-area";
import { SeriesList } from "./series-list";
import { useDeskKeys } from "./use-desk-keys";
import { useScrollers } from "./use-scrollers";
import { useStarring } from "./use-starring";
import { useViewports } from "./use-viewports";
import type { ViewportId } from "./where";

interface StudyDeskProps {
  study: Study;
  titles: readonly Title[];
  /** Makes what images are drawn with. */
  createViewport: CreateViewport;
  /** The viewports there are, in the order of the screen; the first one is active at first. */
  viewports?: readonly [ViewportId, ...ViewportId[]];
}

const ONE_VIEWPORT = ["main"] as const;

/** The working place: series on the left, the picture in the middle, notes on the right. */
export function StudyDesk({ study, titles, createViewport, viewports = ONE_VIEWPORT }: StudyDeskProps) {
  const announce = useAnnounce();
  const scrollers = useScrollers(study, viewports);
  const viewportOf = useViewports(createViewport);
  const { notes, problem, refresh } = useNotes(study.study_instance_uid);
  const [draft, dispatch] = useDraft(study.study_instance_uid);
  const [keysShown, setKeysShown] = useState(false);
  // What waits until the user agrees to lose the draft.
  const [afterDiscard, setAfterDiscard] = useState<(() => void) | null>(null);
  const marks = useImageMarks(notes, titles, draft);
  const nameOf = useMemo(() => imageNames(study), [study]);
  const stateOf = useMemo(() => statesIn(notes ?? [], scrollers.note), [notes, scrollers.note]);
  /** A note that says how its images look is seen so, and not with what the viewport changes on top of it. */
  const choose = (note: Note) => {
    const viewport = viewportOf(scrollers.active.viewport);
    if (note.references.some((reference) => reference.presentation_state_uid)) reset(viewport);
    scrollers.choose(String(note.id));
  };
  const saving = useSaving({
    study: study.study_instance_uid,
    draft,
    dispatch,
    onSaved: (note) => {
      announce(`Saved “${titleText(note.title)}”`);
      choose(note);
      void refresh();
    },
  });
  const withdrawal = useWithdrawal(refresh);
  const scroller = scrollers.active;
  const { target, star, starUnder } = useStarring({
    study,
    titles,
    scroller,
    viewport: viewportOf(scroller.viewport),
    draft,
    dispatch,
    nameOf,
  });
  const at = target && { sop: target.sop, frame: target.frame };

  const clear = () => {
    dispatch({ kind: "clear", author: loadAuthor() });
    saving.settle();
  };
  /** Do something that takes the draft's place; asks first when the draft would be lost. */
  const instead = (work: () => void) => {
    if (isUnsaved(draft)) setAfterDiscard(() => work);
    else work();
  };
  const goToImage = (sop: string, frame: number | null, inStudy: string) => {
    if (!scroller.goToImage(sop, frame)) go(studyAddress(inStudy, { sop, frame }));
  };
  const toMark = (direction: 1 | -1) => {
    const next = nextMarked([...marks.markedIn(scroller.positions)], scroller.index, direction);
    if (next !== null) scroller.goTo(next);
  };

  useDeskKeys({
    study,
    titles,
    scroller,
    viewport: viewportOf(scroller.viewport),
    onStar: star,
    onStarUnder: starUnder,
    onMark: toMark,
    onHelp: () => setKeysShown(true),
  });

  return (
    <div className="desk">
      <SeriesList
        study={study}
        current={scroller.series}
        marks={marks.byNotes}
        onChoose={scroller.openSeries}
      />
      <PictureArea
        study={study}
        scrollers={scrollers}
        viewportOf={viewportOf}
        marks={marks}
        nameOf={nameOf}
        stateOf={stateOf}
        onStar={() => star()}
        onMark={toMark}
        onHelp={() => setKeysShown(true)}
      />
      <aside className="side" aria-label="Key image notes" tabIndex={-1} data-keeps-focus>
        {isOpen(draft) && may("mark") && (
          <DraftPanel
            key={draft.revises ? `revise ${draft.revises.id}` : "new"}
            draft={draft}
            dispatch={dispatch}
            titles={titles}
            saving={saving.working}
            problem={saving.conflict ? null : saving.problem}
            at={at}
            nameOf={nameOf}
            onGo={goToImage}
            onSave={() => void saving.save()}
            onDiscard={() => instead(clear)}
          />
        )}
        {withdrawal.withdrawn && (
          <UndoOffer
            title={titleText(withdrawal.withdrawn.title)}
            withdrawal={withdrawal.withdrawn.withdrawal}
            working={withdrawal.working}
            problem={withdrawal.note ? null : withdrawal.problem}
            onUndo={() => void withdrawal.undo()}
            onClose={withdrawal.forget}
          />
        )}
        <NotesPanel
          notes={notes}
          problem={problem}
          titles={titles}
          chosen={scrollers.note}
          at={at}
          nameOf={nameOf}
          onRetry={() => void refresh()}
          onGo={(note: Note, { reference, frame }: Tile) => {
            choose(note);
            goToImage(
              reference.sop_instance_uid,
              frame,
              reference.study_instance_uid ?? note.study_instance_uid,
            );
          }}
          onRevise={(note) => instead(() => dispatch({ kind: "revise", note, author: loadAuthor() }))}
          onCopy={(note) => instead(() => dispatch({ kind: "copy", note, author: loadAuthor() }))}
          onWithdraw={withdrawal.ask}
        />
      </aside>
      {withdrawal.note && (
        <WithdrawDialog
          note={withdrawal.note}
          working={withdrawal.working}
          problem={withdrawal.problem}
          onClose={withdrawal.close}
          onWithdraw={(reason, who) => void withdrawal.withdraw(reason, who)}
        />
      )}
      {saving.conflict && (
        <ConflictDialog
          draft={draft}
          theirs={saving.conflict}
          onOverwrite={() => void saving.overwrite()}
          onTakeTheirs={() => {
            clear();
            void refresh();
          }}
          onClose={saving.settle}
        />
      )}
      {afterDiscard && (
        <DiscardDialog
          onClose={() => setAfterDiscard(null)}
          onDiscard={() => {
            setAfterDiscard(null);
            saving.settle();
            afterDiscard();
          }}
        />
      )}
      {keysShown && <KeysDialog titleKeys={titleKeys(titles)} onClose={() => setKeysShown(false)} />}
    </div>
  );
}

const titleKeys = (titles: readonly Title[]): [string, string][] =>
  titles.flatMap((title): [string, string][] =>
    title.hot_key && title.can_be_made ? [[title.hot_key.toUpperCase(), title.meaning]] : [],
  );

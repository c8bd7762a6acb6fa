import { useMemo, useState } from "react";
import { withdrawNote } from "../api/client";
import type { Note, Study, Title } from "../api/contract";
import { asProblem, type Problem } from "../api/problem";
import { holds, isOpen, isUnsaved, type Target } from "../model/draft";
import { firstTitle, loadAuthor, saveAuthor } from "../model/draft-store";
import { marksOf, notesAt, type Tile } from "../model/notes";
import { nextMarked } from "../model/positions";
import { codeOf, titleText } from "../model/titles";
import { useAnnounce } from "../parts/announcer";
import { go, studyAddress } from "../router";
import { ConflictDialog } from "../dialogs/conflict-dialog";
import { DiscardDialog } from "../dialogs/discard-dialog";
import { KeysDialog } from "../dialogs/keys-dialog";
import { WithdrawDialog } from "../dialogs/withdraw-dialog";
import { DraftPanel } from "../draft/draft-panel";
import { NotesPanel } from "../notes/notes-panel";
import { PictureArea } from "./picture-area";
import { SeriesList } from "./series-list";
import { useDeskKeys } from "./use-desk-keys";
import { useDraft } from "../draft/use-draft";
import { useNotes } from "../notes/use-notes";
import { useSaving } from "../draft/use-saving";
import { useScroller } from "./use-scroller";

interface StudyDeskProps {
  study: Study;
  titles: readonly Title[];
}

/** The working place: series on the left, the picture in the middle, notes on the right. */
export function StudyDesk({ study, titles }: StudyDeskProps) {
  const announce = useAnnounce();
  const scroller = useScroller(study);
  const { notes, problem, refresh } = useNotes(study.study_instance_uid);
  const [draft, dispatch] = useDraft(study.study_instance_uid);
  const [keysShown, setKeysShown] = useState(false);
  // What waits until the user agrees to lose the draft.
  const [afterDiscard, setAfterDiscard] = useState<(() => void) | null>(null);
  const marks = useMemo(() => marksOf(notes ?? [], titles), [notes, titles]);
  const saving = useSaving({
    study: study.study_instance_uid,
    draft,
    dispatch,
    onSaved: (note) => {
      announce(`Saved “${titleText(note.title)}”`);
      scroller.choose(String(note.id));
      void refresh();
    },
  });
  const withdrawal = useWithdrawal(refresh);

  const { series, position, positions, index } = scroller;
  const target: Target | null = series &&
    position && {
      study: study.study_instance_uid,
      series: series.series_instance_uid,
      sop: position.instance.sop_instance_uid,
      frame: position.frame,
    };
  const at = target && { sop: target.sop, frame: target.frame };
  const starred = target !== null && holds(draft, target.sop, target.frame);
  const nameOf = useMemo(() => imageNames(study), [study]);

  const star = (whole = false) => {
    if (!target) return;
    const aim = whole ? { ...target, frame: null } : target;
    const name = [nameOf(aim.sop), aim.frame && `frame ${aim.frame}`].filter(Boolean).join(", ");
    announce(holds(draft, aim.sop, aim.frame) ? `Took out ${name}` : `Starred ${name}`, "quiet");
    if (!draft.title) dispatch({ kind: "title", title: firstTitle(titles) });
    dispatch({ kind: "toggle", target: aim });
  };
  const starUnder = (title: Title) => {
    if (!target) return;
    dispatch({ kind: "title", title: codeOf(title) });
    dispatch({ kind: "add", target });
    announce(`Starred as “${title.meaning}”`, "quiet");
  };
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
  const marked = useMemo(
    () => spotsWhere(positions, (sop, frame) => notesAt(marks, sop, frame).length > 0),
    [positions, marks],
  );
  const drafted = useMemo(
    () => spotsWhere(positions, (sop, frame) => holds(draft, sop, frame)),
    [positions, draft],
  );
  const toMark = (direction: 1 | -1) => {
    const next = nextMarked([...marked], index, direction);
    if (next !== null) scroller.goTo(next);
  };

  useDeskKeys({
    study,
    titles,
    scroller,
    onStar: star,
    onStarUnder: starUnder,
    onMark: toMark,
    onHelp: () => setKeysShown(true),
  });

  return (
    <div className="desk">
      <SeriesList study={study} current={series} marks={marks} onChoose={scroller.openSeries} />
      <PictureArea
        study={study}
        scroller={scroller}
        marked={marked}
        drafted={drafted}
        notesHere={target ? notesAt(marks, target.sop, target.frame) : []}
        starred={starred}
        name={target ? (nameOf(target.sop) ?? "") : ""}
        onStar={() => star()}
        onMark={toMark}
        onHelp={() => setKeysShown(true)}
      />
      <aside className="side" aria-label="Key image notes" tabIndex={-1} data-keeps-focus>
        {isOpen(draft) && (
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
        <NotesPanel
          notes={notes}
          problem={problem}
          titles={titles}
          chosen={scroller.note}
          at={at}
          nameOf={nameOf}
          onRetry={() => void refresh()}
          onGo={(note: Note, { reference, frame }: Tile) => {
            scroller.choose(String(note.id));
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

function useWithdrawal(refresh: () => Promise<void>) {
  const announce = useAnnounce();
  const [note, setNote] = useState<Note | null>(null);
  const [working, setWorking] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const ask = (asked: Note | null) => {
    setProblem(null);
    setNote(asked);
  };
  const withdraw = async (reason: string, who: string) => {
    if (!note || working) return;
    setWorking(true);
    try {
      await withdrawNote(note.id, note.version, reason, who);
      saveAuthor(who);
      announce(`Withdrew “${titleText(note.title)}”`);
      ask(null);
    } catch (thrown) {
      setProblem(asProblem(thrown));
    }
    setWorking(false);
    void refresh();
  };
  return { note, working, problem, ask, close: () => ask(null), withdraw };
}

function imageNames(study: Study): (sop: string) => string | null {
  const names = new Map<string, string>();
  for (const series of study.series) {
    const label = series.description || series.modality || "Series";
    series.instances.forEach((instance, index) => {
      names.set(instance.sop_instance_uid, `${label} · ${instance.number ?? index + 1}`);
    });
  }
  return (sop) => names.get(sop) ?? null;
}

function spotsWhere(
  positions: ReturnType<typeof useScroller>["positions"],
  test: (sop: string, frame: number | null) => boolean,
): ReadonlySet<number> {
  const found = new Set<number>();
  positions.forEach(({ instance, frame }, index) => {
    if (test(instance.sop_instance_uid, frame)) found.add(index);
  });
  return found;
}

const titleKeys = (titles: readonly Title[]): [string, string][] =>
  titles.flatMap((title): [string, string][] =>
    title.hot_key && title.can_be_made ? [[title.hot_key.toUpperCase(), title.meaning]] : [],
  );

// @vitest-environment happy-dom
// That Tab stays in a modal dialog is the browser's work: tests/browser/test_keyboard.py sees that it does.
import { act, useState } from "react";
import { expect, test, vi } from "vitest";
import { ConfirmDialog } from "../src/dialogs/confirm-dialog";
import { Dialog } from "../src/dialogs/dialog";
import { useKeys } from "../src/parts/keys";
import { byTestId, click, has, mount, press } from "./page";

function Page({ onKey = () => {} }: { onKey?: (key: string) => void }) {
  const [asked, setAsked] = useState(false);
  const [opener, setOpener] = useState(true);
  useKeys(({ key }) => {
    onKey(key);
    return true;
  });
  return (
    <>
      {opener && (
        <button type="button" data-testid="opener" onClick={() => setAsked(true)}>
          Ask
        </button>
      )}
      {asked && (
        <Dialog title="Sure?" testid="dialog" onClose={() => setAsked(false)}>
          <input data-testid="first" data-first />
          <button type="button" data-testid="take-away" onClick={() => setOpener(false)}>
            Take away
          </button>
        </Dialog>
      )}
    </>
  );
}

async function open(onKey?: (key: string) => void): Promise<HTMLDialogElement> {
  await mount(onKey ? <Page onKey={onKey} /> : <Page />);
  byTestId("opener").focus();
  await click(byTestId("opener"));
  return byTestId<HTMLDialogElement>("dialog");
}

/** What a browser says when Escape is pressed in a modal dialog. */
const cancel = (dialog: HTMLElement) =>
  act(async () => {
    dialog.dispatchEvent(new Event("cancel", { cancelable: true }));
  });

test("a dialog opens modally, named by its title, with the focus where it begins", async () => {
  const modal = vi.spyOn(HTMLDialogElement.prototype, "showModal");
  const dialog = await open();
  expect(modal).toHaveBeenCalledOnce();
  expect(document.getElementById(dialog.getAttribute("aria-labelledby") ?? "")?.textContent).toBe("Sure?");
  expect(document.activeElement).toBe(byTestId("first"));
  modal.mockRestore();
});

test("Escape closes it, and the focus returns to what opened it", async () => {
  await cancel(await open());
  expect(has("dialog")).toBe(false);
  expect(document.activeElement).toBe(byTestId("opener"));
});

test("its button closes it, and the focus returns to what opened it", async () => {
  const dialog = await open();
  await click(dialog.querySelector<HTMLElement>('[aria-label="Close"]') as HTMLElement);
  expect(has("dialog")).toBe(false);
  expect(document.activeElement).toBe(byTestId("opener"));
});

test("it closes even where what opened it is gone by then", async () => {
  const dialog = await open();
  await click(byTestId("take-away"));
  await cancel(dialog);
  expect([has("dialog"), has("opener")]).toEqual([false, false]);
});

test("the page hears no key while a dialog is open", async () => {
  const heard: string[] = [];
  const dialog = await open((key) => heard.push(key));
  await press("k");
  await press("k", byTestId("first"));
  expect(heard).toEqual([]);
  await cancel(dialog);
  await press("k");
  expect(heard).toEqual(["k"]);
});

test.each([true, false])("a question is confirmed only when it is ready: %s", async (ready) => {
  const said: string[] = [];
  await mount(
    <ConfirmDialog
      title="Discard?"
      testid="question"
      keep="Keep"
      confirm="Discard"
      confirmTestid="confirm"
      ready={ready}
      onClose={() => said.push("kept")}
      onConfirm={() => said.push("discarded")}
    >
      It is lost then.
    </ConfirmDialog>,
  );
  await click(byTestId("confirm"));
  expect(said).toEqual(ready ? ["discarded"] : []);
  await click(byTestId("confirm").previousElementSibling as HTMLElement);
  expect(said.at(-1)).toBe("kept");
});

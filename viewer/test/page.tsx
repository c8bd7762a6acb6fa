// A page to mount components in. For tests that run in `happy-dom`.
import { act, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { afterEach } from "vitest";

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });

const mounted: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const unmount of mounted.splice(0)) await unmount();
  document.body.replaceChildren();
  localStorage.clear();
  window.history.replaceState(null, "", "/");
});

export interface Mounted {
  render: (children: ReactNode) => Promise<void>;
  unmount: () => Promise<void>;
}

export async function mount(children: ReactNode): Promise<Mounted> {
  const place = document.body.appendChild(document.createElement("div"));
  const root = createRoot(place);
  const render = (what: ReactNode) => act(async () => root.render(what));
  const unmount = () => act(async () => root.unmount());
  mounted.push(unmount);
  await render(children);
  return { render, unmount };
}

/** What has this test id; the test fails where there is none. */
export function byTestId<Found extends HTMLElement>(testid: string): Found {
  const found = document.querySelector<Found>(`[data-testid="${testid}"]`);
  if (!found) throw new Error(`nothing on the page has the test id ${testid}`);
  return found;
}

export const has = (testid: string): boolean => document.querySelector(`[data-testid="${testid}"]`) !== null;

export const press = (key: string, on: EventTarget = document.body) =>
  act(async () => {
    on.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  });

export const click = (element: HTMLElement) => act(async () => element.click());

/** Put a value into a field as one who types does. */
export const type = (field: HTMLInputElement | HTMLSelectElement, value: string) =>
  act(async () => {
    const { prototype } = field instanceof HTMLSelectElement ? HTMLSelectElement : HTMLInputElement;
    // React watches the field's own value; the prototype's setter goes past it.
    Object.getOwnPropertyDescriptor(prototype, "value")?.set?.call(field, value);
    field.dispatchEvent(new Event(field instanceof HTMLSelectElement ? "change" : "input", { bubbles: true }));
  });

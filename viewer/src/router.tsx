// History routing: where the page is, going elsewhere, and links that do.
import { type AnchorHTMLAttributes, type MouseEvent, useSyncExternalStore } from "react";

const MOVED = "kinote:moved";

function subscribe(listener: () => void) {
  window.addEventListener("popstate", listener);
  window.addEventListener(MOVED, listener);
  return () => {
    window.removeEventListener("popstate", listener);
    window.removeEventListener(MOVED, listener);
  };
}

const address = () => window.location.pathname + window.location.search;

/** The current path and query; renders again when they change. */
export function useAddress(): URL {
  return new URL(useSyncExternalStore(subscribe, address), window.location.origin);
}

export function go(to: string, how: "push" | "replace" = "push"): void {
  if (to === address()) return;
  window.history[how === "push" ? "pushState" : "replaceState"](null, "", to);
  window.dispatchEvent(new Event(MOVED));
}

export function Link({ href, onClick, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!plain || event.defaultPrevented) return;
    event.preventDefault();
    go(href);
  };
  return <a {...rest} href={href} onClick={follow} />;
}

export type Route =
  | { page: "studies" }
  | { page: "study"; study: string }
  | { page: "notes" }
  | { page: "held" }
  | { page: "findings" }
  | { page: "withdrawals" }
  | { page: Operation }
  | { page: "unknown" };

/** A page by the name of its route. */
export type PageName = Route["page"];

/** The pages of those who look after a server. */
const OPERATIONS = [
  "rejections",
  "purges",
  "removed",
  "backups",
  "deliveries",
  "routes",
  "retention",
  "jobs",
  "alerts",
  "explain",
  "audit",
  "users",
  "tokens",
] as const;
type Operation = (typeof OPERATIONS)[number];

export function routeOf(path: string): Route {
  const [root = "", study = "", ...more] = path.replace(/^\/+|\/+$/g, "").split("/");
  if (more.length > 0) return { page: "unknown" };
  if (root === "" || (root === "studies" && !study)) return { page: "studies" };
  if (root === "studies") return { page: "study", study: decodeURIComponent(study) };
  if ((root === "notes" || root === "held" || root === "findings" || root === "withdrawals") && !study)
    return { page: root };
  const operation = OPERATIONS.find((name) => name === root);
  if (operation && !study) return { page: operation };
  return { page: "unknown" };
}

/** Where in a study a deep link points: `?note=ID&sop=UID&frame=N`. */
export interface DeepLink {
  note: string | null;
  sop: string | null;
  frame: number | null;
}

export function deepLinkOf(query: URLSearchParams): DeepLink {
  const frame = Number(query.get("frame"));
  return {
    note: query.get("note"),
    sop: query.get("sop"),
    frame: Number.isInteger(frame) && frame > 0 ? frame : null,
  };
}

export function studyAddress(study: string, link: Partial<DeepLink> = {}): string {
  const query = new URLSearchParams();
  if (link.note) query.set("note", link.note);
  if (link.sop) query.set("sop", link.sop);
  if (link.frame) query.set("frame", String(link.frame));
  const written = query.toString();
  return `/studies/${encodeURIComponent(study)}${written ? `?${written}` : ""}`;
}

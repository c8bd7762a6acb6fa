// Who is signed in, as the whole page knows it. Where nobody signs in, everybody may do everything.
import { useSyncExternalStore } from "react";

export interface SignedInUser {
  login: string;
  /** As a PN; may be empty. */
  name: string;
  roles: string[];
}

export interface Session {
  authentication: "none" | "local";
  /** The OpenID provider by which people sign in, too. */
  provider: { name: string } | null;
  user: SignedInUser | null;
  rights: string[];
  expires_at: string | null;
}

interface Known {
  /** Null before the server was asked, and where it could not say. */
  session: Session | null;
  /** The server knows the user no more: sign in again, and go on. */
  expired: boolean;
}

let known: Known = { session: null, expired: false };
const listeners = new Set<() => void>();

function put(next: Known): void {
  known = next;
  for (const listener of listeners) listener();
}

export const setSession = (session: Session | null) => put({ session, expired: false });

/** A request was refused for want of a sign-in. */
export function sessionExpired(): void {
  if (known.session?.user && !known.expired) put({ ...known, expired: true });
}

export function useSession(): Known {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => known,
  );
}

/** Who is signed in; null where nobody is, or nobody needs to be. */
export const signedIn = (): SignedInUser | null => known.session?.user ?? null;

/** Whether the user has a right. The server decides; this says what is worth offering. */
export function may(right: string): boolean {
  return !known.session || known.session.rights.includes(right);
}

import { useSession } from "../api/session";

const LEAVE = "/api/v1/session/openid";

/** What to do after an attempt that failed: the server says only which kind of failure it was. */
const FAILURES: Record<string, string> = {
  expired: "The sign-in took too long, or was answered already. Sign in again.",
  refused: "The sign-in was refused. Sign in again; if that does not help, tell your administrator.",
  unreachable:
    "The sign-in service cannot be reached. Try again later, or sign in with a login and password of Kinote's own.",
  "no-role": "You are known, but have no role in Kinote. Ask your administrator for one.",
  "not-allowed": "You are known, but may not sign in to Kinote. Ask your administrator.",
};

/** The way to sign in by the organization's provider, if there is one. The browser comes back to this page. */
export function ProviderSignIn() {
  const { session } = useSession();
  if (!session?.provider) return null;
  const { pathname, search } = window.location;
  const reason = new URLSearchParams(search).get("sign-in") ?? "";
  const failure = Object.hasOwn(FAILURES, reason) ? FAILURES[reason] : null;
  const next = failure ? "/" : pathname + search;
  return (
    <div className="provider-sign-in">
      {failure && (
        <p className="notice" role="alert" data-testid="provider-failure">
          {failure}
        </p>
      )}
      <a
        className="button primary"
        href={`${LEAVE}?next=${encodeURIComponent(next)}`}
        data-testid="sign-in-by-provider"
      >
        <span>
          Sign in with <bdi>{session.provider.name}</bdi>
        </span>
      </a>
      <p>Or with a login and password of Kinote's own:</p>
    </div>
  );
}

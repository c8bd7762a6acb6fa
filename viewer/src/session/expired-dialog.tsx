import { type SignedInUser, setSession } from "../api/session";
import { Dialog } from "../dialogs/dialog";
import { ProviderSignIn } from "./provider-sign-in";
import { SignInForm } from "./sign-in-form";

/** Over the page, which stays as it is: a draft is not lost when a session expires. */
export function ExpiredDialog({ user, onLeave }: { user: SignedInUser; onLeave: () => void }) {
  return (
    <Dialog title="Sign in again" testid="expired-dialog" onClose={onLeave}>
      <p>Your session has expired. Sign in, and go on where you were.</p>
      <ProviderSignIn />
      <SignInForm
        login={user.login}
        onSignedIn={(session) => {
          // What is on the page, and the draft in it, are those of another user.
          if (session.user?.login !== user.login) window.location.reload();
          else setSession(session);
        }}
      />
    </Dialog>
  );
}

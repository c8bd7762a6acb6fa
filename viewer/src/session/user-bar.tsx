import { useState } from "react";
import { signOut } from "../api/client";
import type { SignedInUser } from "../api/session";
import { personName } from "../model/when";

/** Who is signed in, and the way out. */
export function UserBar({ user }: { user: SignedInUser }) {
  const [failed, setFailed] = useState(false);
  const leave = async () => {
    try {
      const onward = await signOut();
      // Nothing of what was shown stays in memory.
      window.location.assign(onward);
    } catch {
      setFailed(true);
    }
  };
  return (
    <div className="user-bar">
      <span dir="auto" title={`${user.login}: ${user.roles.join(", ")}`} data-testid="user-name">
        {personName(user.name) || user.login}
      </span>
      <button type="button" className="button plain" onClick={() => void leave()} data-testid="sign-out">
        {failed ? "Not signed out: try again" : "Sign out"}
      </button>
    </div>
  );
}

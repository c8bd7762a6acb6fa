import { useEffect } from "react";
import { setSession } from "../api/session";
import { ProviderSignIn } from "./provider-sign-in";
import { SignInForm } from "./sign-in-form";

/** In place of every page, as long as nobody has signed in. */
export function SignInPage() {
  useEffect(() => {
    document.title = "Sign in · Kinote";
  }, []);
  return (
    <section className="page sign-in-page" data-testid="sign-in-page">
      <h1>Sign in</h1>
      <ProviderSignIn />
      <SignInForm login={null} onSignedIn={setSession} />
    </section>
  );
}

import { type FormEvent, useId, useState } from "react";
import { signIn } from "../api/client";
import { asProblem, type Problem } from "../api/problem";
import type { Session } from "../api/session";
import { ProblemNotice } from "../parts/problem-notice";

interface SignInFormProps {
  /** Whose session has expired; null for anybody. */
  login: string | null;
  onSignedIn: (session: Session) => void;
}

export function SignInForm({ login, onSignedIn }: SignInFormProps) {
  const [name, setName] = useState(login ?? "");
  const [password, setPassword] = useState("");
  const [working, setWorking] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const id = useId();
  const ready = name.trim() !== "" && password !== "" && !working;

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!ready) return;
    setWorking(true);
    setProblem(null);
    try {
      onSignedIn(await signIn(name.trim(), password));
    } catch (thrown) {
      setProblem(asProblem(thrown));
      setPassword("");
    }
    setWorking(false);
  };

  return (
    <form className="sign-in" onSubmit={(event) => void submit(event)} data-testid="sign-in-form">
      <div className="field">
        <label htmlFor={`${id}-login`}>Login</label>
        <input
          id={`${id}-login`}
          type="text"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          value={name}
          onChange={(event) => setName(event.target.value)}
          data-first={login ? undefined : true}
          data-testid="sign-in-login"
        />
      </div>
      <div className="field">
        <label htmlFor={`${id}-password`}>Password</label>
        <input
          id={`${id}-password`}
          type="password"
          autoComplete="current-password"
          value={password}
          onChange={(event) => setPassword(event.target.value)}
          data-first={login ? true : undefined}
          data-testid="sign-in-password"
        />
      </div>
      {problem && <ProblemNotice problem={problem} />}
      <button type="submit" className="button primary" aria-disabled={!ready} data-testid="sign-in">
        {working ? "Signing in…" : "Sign in"}
      </button>
    </form>
  );
}

import type { Problem } from "../api/problem";

/** A failure, said plainly, with a way to try again where there is one. */
export function ProblemNotice({ problem, onRetry }: { problem: Problem; onRetry?: () => void }) {
  return (
    <div className="notice notice-bad" role="alert" data-testid="problem">
      <strong>{problem.title}</strong>
      {problem.message !== problem.title && <p>{problem.message}</p>}
      {onRetry && (
        <button type="button" className="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}

import type { Finding } from "../api/contract";

const SEVERITY: Record<Finding["severity"], string> = { error: "Error", warning: "Warning", info: "Remark" };

export function FindingList({ findings }: { findings: readonly Finding[] }) {
  return (
    <ul className="finding-list" data-testid="finding-list">
      {findings.map((finding) => (
        <li
          key={`${finding.code} ${finding.place} ${finding.text}`}
          className={`finding finding-${finding.severity}`}
        >
          <span className="finding-severity">{SEVERITY[finding.severity] ?? finding.severity}</span>
          <span>
            {finding.text}
            <span className="quiet finding-code">
              {finding.code}
              {finding.place ? ` at ${finding.place}` : ""}
            </span>
          </span>
        </li>
      ))}
    </ul>
  );
}

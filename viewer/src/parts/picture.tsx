import { useState } from "react";

/** A small picture that loads when it comes into view; a quiet mark stands where it cannot be shown. */
export function Picture({
  address,
  text,
  className = "",
}: {
  address: string | null;
  text: string;
  className?: string;
}) {
  const [failed, setFailed] = useState<string | null>(null);
  if (!address || failed === address) {
    return (
      <span
        className={`picture picture-none ${className}`}
        role="img"
        aria-label={text ? `${text}: no picture` : "No picture"}
      >
        <span aria-hidden="true">no picture</span>
      </span>
    );
  }
  return (
    <img
      className={`picture ${className}`}
      src={address}
      alt={text}
      loading="lazy"
      decoding="async"
      draggable={false}
      onError={() => setFailed(address)}
    />
  );
}

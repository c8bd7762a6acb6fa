// Icons, drawn here. They are decoration: what carries them has its own name.
import type { ReactNode } from "react";

function Icon({ children, filled = false }: { children: ReactNode; filled?: boolean }) {
  return (
    <svg
      className="icon"
      viewBox="0 0 20 20"
      width="20"
      height="20"
      aria-hidden="true"
      fill={filled ? "currentColor" : "none"}
      stroke="currentColor"
      strokeWidth="1.6"
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      {children}
    </svg>
  );
}

export const Star = ({ filled = false }: { filled?: boolean }) => (
  <Icon filled={filled}>
    <path d="M10 2.4l2.3 4.9 5.3.7-3.9 3.7 1 5.3L10 14.4 5.3 17l1-5.3L2.4 8l5.3-.7z" />
  </Icon>
);
export const Cross = () => (
  <Icon>
    <path d="M5 5l10 10M15 5L5 15" />
  </Icon>
);
export const Left = () => (
  <Icon>
    <path d="M12.5 4.5L7 10l5.5 5.5" />
  </Icon>
);
export const Right = () => (
  <Icon>
    <path d="M7.5 4.5L13 10l-5.5 5.5" />
  </Icon>
);
export const Search = () => (
  <Icon>
    <circle cx="8.7" cy="8.7" r="5.2" />
    <path d="M12.7 12.7L17 17" />
  </Icon>
);
export const Contrast = () => (
  <Icon>
    <circle cx="10" cy="10" r="7" />
    <path d="M10 3a7 7 0 0 1 0 14z" fill="currentColor" />
  </Icon>
);
export const Invert = () => (
  <Icon>
    <rect x="3" y="3" width="14" height="14" rx="2" />
    <path d="M3 17L17 3v12a2 2 0 0 1-2 2z" fill="currentColor" />
  </Icon>
);
export const Overlays = () => (
  <Icon>
    <rect x="3" y="3" width="10" height="10" rx="1.5" />
    <path d="M7 15.5A1.5 1.5 0 0 0 8.500 17H15.500A1.5 1.5 0 0 0 17 15.500V8.500A1.5 1.5 0 0 0 15.500 7" />
  </Icon>
);
export const Fit = () => (
  <Icon>
    <path d="M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4" />
  </Icon>
);
export const Help = () => (
  <Icon>
    <circle cx="10" cy="10" r="7.4" />
    <path d="M7.8 7.8a2.2 2.2 0 1 1 3.3 1.9c-.8.5-1.1.9-1.1 1.7M10 14v.1" />
  </Icon>
);
export const Pencil = () => (
  <Icon>
    <path d="M13.2 3.6l3.2 3.2L7 16.2l-4 .8.8-4z" />
  </Icon>
);
export const Copy = () => (
  <Icon>
    <rect x="7" y="7" width="10" height="10" rx="2" />
    <path d="M13 7V5a2 2 0 0 0-2-2H5a2 2 0 0 0-2 2v6a2 2 0 0 0 2 2h2" />
  </Icon>
);
export const Bin = () => (
  <Icon>
    <path d="M3.5 5.5h13M8 5.5V3.5h4v2M5.5 5.5l.8 11h7.4l.8-11M8.5 8.5v5M11.5 8.5v5" />
  </Icon>
);
export const Warning = () => (
  <Icon>
    <path d="M10 3l7.6 13.5H2.4zM10 8v4M10 14.2v.1" />
  </Icon>
);
export const Document = () => (
  <Icon>
    <path d="M5 2.8h7l3.5 3.5v11H5zM12 2.8v3.5h3.5M7.5 10h5M7.5 13h5" />
  </Icon>
);
export const Download = () => (
  <Icon>
    <path d="M10 3v9.5M6 9l4 4 4-4M3.5 16.5h13" />
  </Icon>
);
export const LinkIcon = () => (
  <Icon>
    <path d="M8.5 11.5a3 3 0 0 0 4.3 0l2.8-2.8a3 3 0 0 0-4.3-4.3l-1 1M11.5 8.5a3 3 0 0 0-4.3 0l-2.8 2.8a3 3 0 0 0 4.3 4.3l1-1" />
  </Icon>
);

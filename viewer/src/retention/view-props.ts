import type { ReactNode } from "react";

export interface ViewProps {
  bar: ReactNode;
}

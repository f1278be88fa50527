/** Loads a dialog when it is first opened, and keeps it so that the focus finds its way back. */
import { type ReactNode, Suspense, useRef } from "react";

export function Lazily({ opened, children }: { opened: boolean; children: ReactNode }) {
  const ever = useRef(false);
  if (opened) ever.current = true;
  return ever.current ? <Suspense fallback={null}>{children}</Suspense> : null;
}

/** Loads a dialog when it is first opened, keeps it, and gives the focus back when it closes. */
import { type ReactNode, Suspense, useRef } from "react";
import { useFocusBack } from "./focus-back.ts";

export function Lazily({ opened, children }: { opened: boolean; children: ReactNode }) {
  const ever = useRef(false);
  useFocusBack(opened);
  if (opened) ever.current = true;
  return ever.current ? <Suspense fallback={null}>{children}</Suspense> : null;
}

/** Gives the focus back to what opened a dialog, also where that was an entry of a menu, which is gone by then. */
import { useEffect, useRef } from "react";

/** After the library's own try, which knows neither menus nor dialogs that were loaded when they were opened. */
const AFTER_MS = 30;

export function useFocusBack(opened: boolean): void {
  const opener = useRef<HTMLElement>(undefined);
  const was = useRef(false);
  // While drawing: once it is drawn, a menu has closed and taken the focus along.
  if (opened && !was.current) opener.current = openerOf(document.activeElement);
  was.current = opened;
  useEffect(() => {
    if (!opened) return;
    return () => {
      setTimeout(() => {
        const now = document.activeElement;
        const lost = !now || now === document.body || now.closest("[role=dialog], [role=menu]") !== null;
        if (lost && opener.current?.isConnected) opener.current.focus({ preventScroll: true });
      }, AFTER_MS);
    };
  }, [opened]);
}

function openerOf(focused: Element | null): HTMLElement | undefined {
  const button = focused?.closest("[role=menu]")?.getAttribute("aria-labelledby");
  const found = button ? document.getElementById(button) : focused;
  return found instanceof HTMLElement && found !== document.body ? found : undefined;
}

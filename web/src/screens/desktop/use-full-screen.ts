/** Full screen, with the keys that the browser would keep where it can give them away. */
import { useCallback, useEffect, useState } from "react";

interface KeyboardLock {
  lock(): Promise<void>;
  unlock(): void;
}

const keyboard = (navigator as Navigator & { keyboard?: KeyboardLock }).keyboard;

/** Whether this browser can pass on Alt+Tab and the like. */
export const canCapture = typeof keyboard?.lock === "function";

interface FullScreen {
  possible: boolean;
  on: boolean;
  toggle: () => void;
}

export function useFullScreen(capture: boolean): FullScreen {
  const [on, setOn] = useState(document.fullscreenElement !== null);
  useEffect(() => {
    const changed = () => setOn(document.fullscreenElement !== null);
    document.addEventListener("fullscreenchange", changed);
    return () => document.removeEventListener("fullscreenchange", changed);
  }, []);
  useEffect(() => {
    if (!on || !capture) return;
    void keyboard?.lock().catch(() => undefined);
    return () => keyboard?.unlock();
  }, [on, capture]);
  useEffect(
    () => () => {
      if (document.fullscreenElement) void document.exitFullscreen().catch(() => undefined);
    },
    [],
  );
  const toggle = useCallback(() => {
    const change = document.fullscreenElement
      ? document.exitFullscreen()
      : document.documentElement.requestFullscreen({ navigationUI: "hide" });
    change.catch(() => undefined);
  }, []);
  return { possible: document.fullscreenEnabled, on, toggle };
}

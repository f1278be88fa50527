/** Ties a viewer to the screen that shows it. */
import { type RefObject, useEffect, useRef, useState } from "react";
import { api } from "../../api/client.ts";
import type { ViewerState } from "../../display/state.ts";
import { type Look, Viewer } from "../../display/viewer.ts";

interface Options {
  id: string;
  label: string;
  look: Look;
  /** False until the session can be opened. */
  ready: boolean;
  onClipboard: (words: string) => void;
}

interface UseViewer {
  host: RefObject<HTMLDivElement | null>;
  viewer: RefObject<Viewer | undefined>;
  state: ViewerState;
}

const FIRST: ViewerState = { kind: "opening", step: "path" };

export function useViewer({ id, label, look, ready, onClipboard }: Options): UseViewer {
  const host = useRef<HTMLDivElement>(null);
  const viewer = useRef<Viewer>(undefined);
  const [state, setState] = useState<ViewerState>(FIRST);
  const latest = useRef({ look, label, onClipboard });
  latest.current = { look, label, onClipboard };

  useEffect(() => {
    const place = host.current;
    if (!ready || !place) return;
    const current = new Viewer(place, latest.current.look, {
      connect: (mode, signal) => api.connect(id, mode, signal),
      onState: setState,
      onClipboard: words => latest.current.onClipboard(words),
      label: latest.current.label,
      memory: localStorage,
    });
    viewer.current = current;
    const inFront = () => current.setInFront(document.visibilityState === "visible" && document.hasFocus());
    const back = () => current.retryNow();
    inFront();
    current.start();
    window.addEventListener("focus", inFront);
    document.addEventListener("visibilitychange", inFront);
    window.addEventListener("online", back);
    return () => {
      window.removeEventListener("focus", inFront);
      document.removeEventListener("visibilitychange", inFront);
      window.removeEventListener("online", back);
      current.stop();
      viewer.current = undefined;
      place.replaceChildren();
      setState(FIRST);
    };
  }, [id, ready]);

  useEffect(() => viewer.current?.setLook(look), [look]);
  return { host, viewer, state };
}

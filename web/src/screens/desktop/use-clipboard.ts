/** Passes text between the session and this computer. */
import { type RefObject, useCallback, useEffect, useRef, useState } from "react";
import {
  askForClipboard,
  type ClipboardAccess,
  clipboardAccess,
  readLocal,
  writeLocal,
} from "../../display/clipboard.ts";
import type { Viewer } from "../../display/viewer.ts";

export interface SharedClipboard {
  access: ClipboardAccess;
  /** What was last copied in the session. */
  remote: string;
  onRemote: (words: string) => void;
  send: (words: string) => void;
  ask: () => void;
}

export function useClipboard(viewer: RefObject<Viewer | undefined>, live: boolean): SharedClipboard {
  const [access, setAccess] = useState<ClipboardAccess>("unsupported");
  const [remote, setRemote] = useState("");
  /** What both sides have already, so that a text does not go in circles. */
  const shared = useRef<string>(undefined);

  useEffect(() => void clipboardAccess().then(setAccess), []);

  const onRemote = useCallback((words: string) => {
    setRemote(words);
    shared.current = words;
    if (document.hasFocus()) void writeLocal(words);
  }, []);

  const send = useCallback(
    (words: string) => {
      shared.current = words;
      viewer.current?.paste(words);
    },
    [viewer],
  );

  useEffect(() => {
    if (!live || access !== "granted") return;
    const offer = () => {
      void readLocal().then(words => {
        if (words && words !== shared.current) send(words);
      });
    };
    offer();
    window.addEventListener("focus", offer);
    return () => window.removeEventListener("focus", offer);
  }, [live, access, send]);

  const ask = useCallback(() => void askForClipboard().then(setAccess), []);
  return { access, remote, onRemote, send, ask };
}

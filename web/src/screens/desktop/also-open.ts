/** Lets the tabs of one browser know of each other, so that a second view of a session is no surprise. */
import { useEffect } from "react";

interface Message {
  id: string;
  kind: "opened" | "here";
}

export function useAlsoOpen(id: string, onOther: () => void): void {
  useEffect(() => {
    if (!("BroadcastChannel" in window)) return;
    const channel = new BroadcastChannel("fastx.desktop");
    channel.onmessage = (event: MessageEvent<Message>) => {
      if (event.data.id !== id) return;
      if (event.data.kind === "opened") channel.postMessage({ id, kind: "here" } satisfies Message);
      onOther();
    };
    channel.postMessage({ id, kind: "opened" } satisfies Message);
    return () => channel.close();
  }, [id, onOther]);
}

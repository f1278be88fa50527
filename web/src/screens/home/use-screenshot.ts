/** Fetches a session's picture when its card comes into view or the session changes, and not too often. */
import { type RefObject, useEffect, useRef, useState } from "react";
import { api } from "../../api/client.ts";

const WIDTH = 640;
/** Shortest time between two pictures of one session. */
const REST_MS = 15_000;

interface Screenshot {
  place: RefObject<HTMLDivElement | null>;
  url: string | undefined;
}

export function useScreenshot(id: string, version: number, wanted: boolean): Screenshot {
  const place = useRef<HTMLDivElement>(null);
  const [visible, setVisible] = useState(false);
  const [url, setUrl] = useState<string>();
  const [turn, setTurn] = useState(0);
  const last = useRef({ at: Number.NEGATIVE_INFINITY, version: -1 });

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const observer = new IntersectionObserver(entries => setVisible(entries.at(-1)?.isIntersecting ?? false));
    observer.observe(element);
    const shown = () => {
      if (document.visibilityState === "visible") setTurn(value => value + 1);
    };
    document.addEventListener("visibilitychange", shown);
    return () => {
      observer.disconnect();
      document.removeEventListener("visibilitychange", shown);
    };
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `turn` asks for a look, and its value does not matter
  useEffect(() => {
    if (!wanted || !visible || document.visibilityState !== "visible") return;
    const stop = new AbortController();
    const wait = Math.max(0, last.current.at + REST_MS - performance.now());
    const timer = setTimeout(() => {
      last.current = { at: performance.now(), version };
      void fetchPicture(id, stop.signal).then(fresh => {
        if (fresh) setUrl(fresh);
      });
    }, wait);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [id, version, wanted, visible, turn]);

  useEffect(() => () => void (url && URL.revokeObjectURL(url)), [url]);
  return { place, url };
}

/** Decoded before it is shown, so that one picture follows the other without a gap. */
async function fetchPicture(id: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const url = URL.createObjectURL(await api.screenshot(id, WIDTH, signal));
    const image = new Image();
    image.src = url;
    await image.decode();
    if (!signal.aborted) return url;
    URL.revokeObjectURL(url);
  } catch {
    // A session may have no picture yet; its icon stands in.
  }
  return undefined;
}

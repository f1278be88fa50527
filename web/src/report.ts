/** What helps to find out what went wrong, without a name, an address or a secret. */
import type { Problem } from "./api/types.ts";

interface Noted {
  at: string;
  page: string;
  type: string;
  status: number;
  title: string;
  traceId?: string;
}

const MOST = 20;
const noted: Noted[] = [];

/** Remembers a refusal for a report; its words for people may name somebody, so they stay out. */
export function note({ type, status, title, traceId }: Problem, path: string, at: Date): void {
  noted.push({
    at: at.toISOString(),
    page: pathShape(path),
    type,
    status,
    title,
    ...(traceId ? { traceId } : {}),
  });
  if (noted.length > MOST) noted.shift();
}

/** A path with what it names left out: ids and secrets are as long as random, words of ours are not. */
export function pathShape(path: string): string {
  const [plain = ""] = path.split(/[?#]/);
  return plain
    .split("/")
    .map(part => (/^[a-z-]{0,20}$/.test(part) ? part : "…"))
    .join("/");
}

export interface About {
  cluster: string;
  version: string;
  serverId: string;
  role: string;
  line: string;
}

export function report(about: About, page: string, at: Date): string {
  const { userAgent, language, onLine, hardwareConcurrency } = navigator;
  const document = {
    at: at.toISOString(),
    page: pathShape(page),
    ...about,
    browser: {
      userAgent,
      language,
      onLine,
      cores: hardwareConcurrency,
      window: `${window.innerWidth}x${window.innerHeight}`,
      scale: window.devicePixelRatio,
      dark: window.matchMedia("(prefers-color-scheme: dark)").matches,
      zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    },
    problems: noted,
  };
  return JSON.stringify(document, null, 2);
}

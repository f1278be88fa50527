/** What may follow the dot before the caret of a script that chooses a server. */
import { pieces } from "./colours.ts";

const INPUT = ["action", "data", "isAdmin", "isManager", "local", "servers", "user", "userGroups"] as const;
const USER = ["login", "serverId", "sessions"] as const;
const LIST = ["every", "filter", "find", "length", "map", "some", "sort"] as const;
const SERVER = [
  "cpu",
  "freemem",
  "hostname",
  "loadavg",
  "loggedInUsers",
  "metrics",
  "peerUrls",
  "serverId",
  "sessions",
  "staticData",
  "totalmem",
  "uptime",
  "urls",
  "version",
] as const;
const LISTS: ReadonlySet<string> = new Set(["servers", "userGroups", "urls", "peerUrls", "loadavg"]);

export interface Completion {
  /** Where the word begins that a name takes the place of. */
  from: number;
  names: string[];
}

/** `own` are the names in the static data and metrics of the servers, which scripts see beside the others. */
export function completion(source: string, caret: number, own: readonly string[]): Completion | undefined {
  const before = source.slice(0, caret);
  const found = /(?<![\w$])([A-Za-z_$][\w$]*)(\[[^\]]*\])?\.([\w$]*)$/.exec(before);
  const last = pieces(before).at(-1)?.kind;
  if (!found || last === "comment" || last === "text") return undefined;
  const [, owner = "", index, typed = ""] = found;
  const known = namesOf(owner, index !== undefined, own);
  const names = known.filter(name => name.startsWith(typed) && name !== typed);
  return names.length > 0 ? { from: caret - typed.length, names } : undefined;
}

function namesOf(owner: string, indexed: boolean, own: readonly string[]): readonly string[] {
  if (owner === "input") return INPUT;
  if (owner === "user") return USER;
  if (LISTS.has(owner) && !indexed) return LIST;
  if (owner === "Math" || owner === "JSON" || owner === "Object") return [];
  return [...new Set([...SERVER, ...own])].sort();
}

/** What the list of servers shows: filtered, sorted, and as files to take away. */
import { csv } from "../../csv.ts";
import type { Server } from "../../live/reducer.ts";
import { text } from "../../text.ts";

export type Group = "all" | "online" | "lost" | "closed";
export type Column = "server" | "load" | "memory" | "sessions" | "logins" | "version" | "seen";

export interface Order {
  column: Column;
  down: boolean;
}

/** Online, but takes no new sessions or no logins. */
export function isClosed({ online, details }: Server): boolean {
  return online && (details?.startSessions === false || details?.logins === false);
}

export function inGroup(server: Server, group: Group): boolean {
  switch (group) {
    case "all":
      return true;
    case "online":
      return server.online;
    case "lost":
      return !server.online;
    case "closed":
      return isClosed(server);
  }
}

/** Every word of the filter must be somewhere in what is known of the server. */
export function matches(server: Server, filter: string): boolean {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const { details } = server;
  const known = [
    server.serverId,
    server.hostname,
    details?.version,
    ...(details?.faults ?? []),
    ...(details?.urls ?? []),
    JSON.stringify(details?.staticData ?? {}),
    JSON.stringify(details?.metrics ?? {}),
  ];
  const text = known.join("\n").toLowerCase();
  return words.every(word => text.includes(word));
}

/** Share of the memory in use, 0 to 1. */
export function memoryUsed({ details }: Server): number | undefined {
  const { totalmem = 0, freemem = 0 } = details ?? {};
  return totalmem > 0 ? Math.min(1, Math.max(0, 1 - freemem / totalmem)) : undefined;
}

function sortValue(server: Server, column: Column): string | number {
  switch (column) {
    case "server":
      return server.hostname;
    case "load":
      return server.online ? (server.details?.cpu ?? -1) : -1;
    case "memory":
      return server.online ? (memoryUsed(server) ?? -1) : -1;
    case "sessions":
      return server.details?.sessions ?? 0;
    case "logins":
      return server.details?.loggedInUsers ?? 0;
    case "version":
      return server.details?.version ?? "";
    case "seen":
      return server.lastSeen ?? "";
  }
}

function compare(a: string | number, b: string | number): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}

export function arrange(servers: readonly Server[], { column, down }: Order): Server[] {
  const sign = down ? -1 : 1;
  return [...servers].sort(
    (a, b) =>
      sign * compare(sortValue(a, column), sortValue(b, column)) ||
      compare(a.hostname, b.hostname) ||
      compare(a.serverId, b.serverId),
  );
}

const CSV_FIELDS = [
  "serverId",
  "hostname",
  "online",
  "lastSeen",
  "cpu",
  "freemem",
  "totalmem",
  "sessions",
  "loggedInUsers",
  "version",
  "startSessions",
  "logins",
  "faults",
] as const;

export function toCsv(servers: readonly Server[]): string {
  const rows = servers.map(({ details, ...server }) => {
    const all: Record<string, unknown> = { ...details, ...server };
    return CSV_FIELDS.map(field => all[field]);
  });
  return csv(CSV_FIELDS, rows);
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** "14 of 32 GiB": both in the unit of the second. */
export function share(used: number, all: number): string {
  const unit = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, all)) / 10)));
  const amount = (value: number) => {
    const scaled = value / 1024 ** unit;
    return String(scaled >= 100 ? Math.round(scaled) : Number(scaled.toFixed(1)));
  };
  return text.servers.of(amount(used), `${amount(all)} ${UNITS[unit]}`);
}

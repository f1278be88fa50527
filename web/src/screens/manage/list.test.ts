import { describe, expect, it } from "vitest";
import type { ServerObject } from "../../api/types.ts";
import type { Server } from "../../live/reducer.ts";
import { arrange, inGroup, matches, share, toCsv } from "./list.ts";

const server = (serverId: string, part: Partial<ServerObject> = {}, online = true): Server => ({
  serverId,
  hostname: serverId,
  online,
  lastSeen: "2026-01-01T00:00:00Z",
  details: { serverId, ...part },
});
const ids = (servers: Server[]) => servers.map(({ serverId }) => serverId);

describe("the list of servers", () => {
  it("sorts names as people count, and figures with lost servers at the bottom", () => {
    const servers = [server("n10", { cpu: 50 }), server("n2", { cpu: 90 }), server("n3", { cpu: 99 }, false)];
    expect(ids(arrange(servers, { column: "server", down: false }))).toEqual(["n2", "n3", "n10"]);
    expect(ids(arrange(servers, { column: "load", down: true }))).toEqual(["n2", "n10", "n3"]);
  });

  it("finds every word anywhere in what is known", () => {
    const gpu = server("n1", { staticData: { gpu: "L4" }, version: "0.2.0" });
    expect(matches(gpu, "l4 0.2")).toBe(true);
    expect(matches(gpu, "l4 0.3")).toBe(false);
    expect(matches(gpu, "  ")).toBe(true);
  });

  it("groups", () => {
    const closed = server("n1", { startSessions: false });
    const lost = server("n2", { startSessions: false }, false);
    expect([
      inGroup(closed, "closed"),
      inGroup(closed, "online"),
      inGroup(lost, "closed"),
      inGroup(lost, "lost"),
    ]).toEqual([true, true, false, true]);
  });

  it("exports without letting a name become a formula", () => {
    const csv = toCsv([server("n1", { hostname: "x", version: "=1+1", faults: ['disk "home" full', "b"] })]);
    expect(csv).toContain("'=1+1");
    expect(csv).toContain('"disk ""home"" full; b"');
  });

  it("writes shares of memory in one unit", () => {
    const GIB = 1024 ** 3;
    expect(share(14 * GIB, 32 * GIB)).toBe("14 of 32 GiB");
    expect(share(0.5 * GIB, 1.5 * GIB)).toBe("0.5 of 1.5 GiB");
    expect(share(1, 1)).toBe("1 of 1 B");
  });
});

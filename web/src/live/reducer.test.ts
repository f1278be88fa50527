import { describe, expect, it } from "vitest";
import type { Session, StreamEvent } from "../api/types.ts";
import { EMPTY, type LiveState, reduce, serversOf, sessionsOf } from "./reducer.ts";

const session = (part: Partial<Session>): Session => ({
  id: "a",
  serverId: "n1",
  login: "me",
  state: "running",
  name: "A",
  serverName: "n1",
  application: "",
  command: "xterm",
  profile: "",
  geometry: "",
  display: ":1",
  params: {},
  viewers: 0,
  endReason: "",
  endsReason: "",
  mine: true,
  shares: [],
  viewersList: [],
  started: "2026-01-01T00:00:00Z",
  changed: "2026-01-01T00:00:00Z",
  version: 1,
  ...part,
});

const play = (...events: StreamEvent[]): LiveState => events.reduce(reduce, EMPTY);
const reset = (sessions: Session[]): StreamEvent => ({ name: "reset", data: { sessions, servers: [] } });
const put = (part: Partial<Session>): StreamEvent => ({ name: "session", data: { session: session(part) } });

describe("the live state", () => {
  it("is unknown until the first reset", () => {
    expect(EMPTY.known).toBe(false);
    expect(play(reset([])).known).toBe(true);
  });

  it("forgets at a reset what is not in it", () => {
    const state = play(reset([session({ id: "gone" })]), reset([session({ id: "here" })]));
    expect(Object.keys(state.sessions)).toEqual(["here"]);
  });

  it("drops older versions of a session, and takes the same one again", () => {
    const state = play(reset([session({ version: 5, name: "new" })]), put({ version: 4, name: "old" }));
    expect(state.sessions.a?.name).toBe("new");
    expect(reduce(state, put({ version: 5, name: "again" })).sessions.a?.name).toBe("again");
  });

  it("removes, and does not change when there is nothing to remove", () => {
    const state = play(reset([session({})]));
    expect(reduce(state, { name: "sessionRemoved", data: { id: "a" } }).sessions).toEqual({});
    expect(reduce(state, { name: "sessionRemoved", data: { id: "z" } })).toBe(state);
    expect(reduce(state, { name: "serverRemoved", data: { serverId: "z" } })).toBe(state);
  });

  it("keeps the same objects for what did not change", () => {
    const state = play(reset([session({}), session({ id: "b" })]));
    expect(reduce(state, put({ version: 2, name: "B" })).sessions.b).toBe(state.sessions.b);
  });

  it("knows servers by their brief and by their record", () => {
    const state = play(
      reset([]),
      { name: "server", data: { server: { serverId: "n10", hostname: "n10", online: true } } },
      {
        name: "server",
        data: {
          server: {
            serverId: "n2",
            hostname: "",
            online: false,
            lastSeen: "2026-01-01T00:00:00Z",
            server: { serverId: "n2", cpu: 5 },
          },
        },
      },
    );
    expect(serversOf(state).map(({ hostname, online }) => [hostname, online])).toEqual([
      ["n2", false],
      ["n10", true],
    ]);
    expect(state.servers.n2?.details?.cpu).toBe(5);
  });

  it("lists the newest session first, only the reader's own, in an order that changes do not touch", () => {
    const state = play(
      reset([
        session({ id: "old", started: "2026-01-01T00:00:00Z" }),
        session({ id: "new", started: "2026-01-02T00:00:00Z" }),
        session({ id: "other", login: "somebody", started: "2026-01-03T00:00:00Z" }),
      ]),
      put({ id: "old", version: 9, viewers: 2 }),
    );
    expect(sessionsOf(state, "me").map(({ id }) => id)).toEqual(["new", "old"]);
  });

  it("is empty after a sign-out", () => {
    expect(play(reset([session({})]), { name: "signedOut", data: { reason: "" } })).toEqual(EMPTY);
  });
});

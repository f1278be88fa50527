import { describe, expect, it } from "vitest";
import { EventReader } from "./sse.ts";

describe("EventReader", () => {
  it("reads events whole, however they are cut", () => {
    const stream =
      'id: e-1\nevent: session\ndata: {"a":1}\n\n: alive\n\nid: e-2\r\nevent: x\r\ndata: one\r\ndata: two\r\n\r\n';
    const expected = [
      { id: "e-1", event: "session", data: '{"a":1}' },
      { id: "e-2", event: "x", data: "one\ntwo" },
    ];
    expect(new EventReader().push(stream)).toEqual(expected);
    const bytewise = new EventReader();
    expect([...stream].flatMap(letter => bytewise.push(letter))).toEqual(expected);
  });

  it("keeps the last id for events without one, and drops events without data", () => {
    const reader = new EventReader();
    expect(reader.push("id: 7\nevent: a\n\ndata: b\n\n")).toEqual([{ id: "7", event: "message", data: "b" }]);
  });
});

import { describe, expect, it } from "vitest";
import { LeaveChord } from "./chord.ts";
import { keysymOf, typed } from "./keys.ts";

function play(keys: string): boolean {
  const chord = new LeaveChord();
  return keys
    .split(" ")
    .map(key => chord.onKey(key.startsWith("+") ? "keydown" : "keyup", key.slice(1)))
    .some(Boolean);
}

describe("the chord that leaves the desktop", () => {
  it("is Ctrl, Alt and Shift pressed and released", () => {
    expect(play("+Control +Alt +Shift -Shift -Alt -Control")).toBe(true);
    expect(play("+Shift +Control +Alt -Control -Shift -Alt")).toBe(true);
  });

  it("is not part of a shortcut", () => {
    expect(play("+Control +Alt +Shift +t -t -Shift -Alt -Control")).toBe(false);
    expect(play("+Control +Alt -Alt -Control")).toBe(false);
  });

  it("counts Meta, as Alt with Shift gives on some keyboards", () => {
    expect(play("+Control +Shift +Meta -Meta -Shift -Control")).toBe(true);
  });
});

describe("typing", () => {
  it("knows the keysyms of characters", () => {
    expect(keysymOf("a")).toBe(0x61);
    expect(keysymOf("ü")).toBe(0xfc);
    expect(keysymOf("€")).toBe(0x010020ac);
    expect(keysymOf("\n")).toBe(0xff0d);
  });

  it("finds what a touch keyboard changed", () => {
    expect(typed("__", "__a")).toEqual({ erased: 0, added: "a" });
    expect(typed("__", "_")).toEqual({ erased: 1, added: "" });
    expect(typed("__hel", "__help ")).toEqual({ erased: 0, added: "p " });
    expect(typed("teh", "the")).toEqual({ erased: 2, added: "he" });
  });
});

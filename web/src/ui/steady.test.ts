import { describe, expect, it } from "vitest";
import { inOrderOf } from "./steady.ts";

describe("rows that are pointed at", () => {
  it("stay where they are; new ones come last, and those that are gone leave", () => {
    const rows = ["d", "c", "a", "e"];
    expect(inOrderOf(rows, row => row, ["a", "b", "c"])).toEqual(["a", "c", "d", "e"]);
    expect(inOrderOf(rows, row => row, [])).toEqual(rows);
  });
});

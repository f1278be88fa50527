import { describe, expect, it } from "vitest";
import { changes, same, told } from "./changes.ts";

describe("changes of settings", () => {
  it("name the path and both values", () => {
    expect(
      changes({ roles: { adminUsers: ["a"] }, n: 1 }, { roles: { adminUsers: ["a", "b"] }, n: 1 }),
    ).toEqual([{ path: ["roles", "adminUsers"], before: ["a"], after: ["a", "b"] }]);
  });

  it("follow named things by their name, not by their place", () => {
    const before = {
      applications: [
        { name: "x", title: "X" },
        { name: "y", title: "Y" },
      ],
    };
    const after = { applications: [{ name: "y", title: "Why" }] };
    expect(changes(before, after)).toEqual([
      { path: ["applications", "x"], before: { name: "x", title: "X" }, after: undefined },
      { path: ["applications", "y", "title"], before: "Y", after: "Why" },
    ]);
  });

  it("tell the first of a list as one thing, and the last that goes", () => {
    const one = { profiles: [{ name: "default" }] };
    expect(changes({ profiles: [] }, one)[0]?.path).toEqual(["profiles", "default"]);
    expect(changes(one, { profiles: [] })[0]).toMatchObject({
      path: ["profiles", "default"],
      after: undefined,
    });
  });

  it("are none for equal documents, whatever the order of their keys", () => {
    expect(same({ a: 1, b: [{ name: "n", v: null }] }, { b: [{ v: null, name: "n" }], a: 1 })).toBe(true);
    expect(same({ a: [] }, { a: {} })).toBe(false);
  });

  it("are told in few lines", () => {
    expect(told(["a", "b"])).toBe("a, b");
    expect(told(true)).toBe("true");
    expect(told(undefined)).toBe("");
    expect(told({ a: 1 })).toBe('{\n  "a": 1\n}');
  });
});

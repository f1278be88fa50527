import { describe, expect, it } from "vitest";
import { ownPath } from "./own-path.ts";

describe("the path after a sign-in", () => {
  it.each(["/", "/desktop/a1", "/start?application=x#y"])("may be %s", path =>
    expect(ownPath(path)).toBe(path),
  );

  it.each([
    "//elsewhere.example",
    "/\\elsewhere.example",
    "/\t/elsewhere.example",
    "https://elsewhere.example/",
    "javascript:alert(1)",
    "desktop",
    "/signin?to=/",
    "",
    7,
    undefined,
  ])("is never %s", value => expect(ownPath(value)).toBeUndefined());
});

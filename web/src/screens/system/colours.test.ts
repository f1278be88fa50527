import { describe, expect, it } from "vitest";
import { pieces } from "./colours.ts";

const told = (source: string) =>
  pieces(source)
    .filter(({ kind }) => kind !== "plain")
    .map(({ kind, words }) => `${kind} ${words}`);

describe("colours of a script", () => {
  it("tell words of the language, texts, numbers and comments apart", () => {
    expect(told('const n = 12.5; // "why"\nreturn input.servers["a"];')).toEqual([
      "word const",
      "number 12.5",
      'comment // "why"',
      "word return",
      'text "a"',
    ]);
  });

  it("leave names alone that only look like them", () => {
    expect(told("server.default.of(forest, $new, x1)")).toEqual([]);
  });

  it("go on to the end where something is not closed yet, a text only to the end of its line", () => {
    expect(told("a /* b\nc")).toEqual(["comment /* b\nc"]);
    expect(told("x = 'it\nreturn")).toEqual(["text 'it", "word return"]);
    expect(told("`one\ntwo")).toEqual(["text `one\ntwo"]);
  });

  it("lose no letter", () => {
    const source = "/* */ function f(a) {\n  return `a` + 'x\\'y' + 1e3; // end\n}\n";
    expect(
      pieces(source)
        .map(({ words }) => words)
        .join(""),
    ).toBe(source);
  });
});

import { describe, expect, it } from "vitest";
import { completion } from "./completion.ts";

/** `|` stands for the caret. */
function at(source: string, own: string[] = []) {
  const caret = source.indexOf("|");
  return completion(source.replace("|", ""), caret, own);
}

describe("completion", () => {
  it("knows the input, the user in it and its servers", () => {
    expect(at("input.|")?.names).toContain("userGroups");
    expect(at("return input.user.l|")).toEqual({ from: 18, names: ["login"] });
    expect(at("input.servers.f|")?.names).toEqual(["filter", "find"]);
    expect(at("input.servers[0].fr|")?.names).toEqual(["freemem"]);
    expect(at("s => s.c|;\n")?.names).toEqual(["cpu"]);
  });

  it("knows what administrators and metrics told of the servers", () => {
    expect(at("s.gp|", ["gpu", "gpuFree"])?.names).toEqual(["gpu", "gpuFree"]);
  });

  it("is silent elsewhere", () => {
    expect(at("inp|")).toBeUndefined();
    expect(at("s.cpu|")).toBeUndefined();
    expect(at("1.|")).toBeUndefined();
    expect(at("// s.c|")).toBeUndefined();
    expect(at('"s.c|')).toBeUndefined();
    expect(at("Math.|")).toBeUndefined();
  });
});

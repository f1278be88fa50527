import { describe, expect, it } from "vitest";
import { pathShape } from "./report.ts";

describe("the path of a report", () => {
  it("keeps our words and drops what it names", () => {
    expect(pathShape("/desktop/01JABCDEF?x=1")).toBe("/desktop/…");
    expect(pathShape("/share/Zk3_secret-secret")).toBe("/share/…");
    expect(pathShape("/manage/servers#x")).toBe("/manage/servers");
    expect(pathShape("/sessions/a1b2/log")).toBe("/sessions/…/log");
  });
});

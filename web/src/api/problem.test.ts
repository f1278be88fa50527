import { describe, expect, it } from "vitest";
import { text } from "../text.ts";
import { problemFrom, problemReport, toProblem, verdictReason } from "./problem.ts";

describe("problems", () => {
  it("reads a whole document, in both spellings of the trace id", () => {
    const body = {
      type: "no-server-fits",
      title: "No server fits",
      status: 503,
      detail: "All are full.",
      trace_id: "abc",
      servers: [{ serverId: "n1", chosen: false, by: "gpu-only", reason: "No GPU." }, "broken"],
    };
    const problem = problemFrom(body, 503);
    expect(problem).toMatchObject({
      type: "no-server-fits",
      detail: "All are full.",
      traceId: "abc",
      action: "",
    });
    expect(problem.servers).toHaveLength(1);
    expect(problemFrom({ ...body, traceId: "def" }, 503).traceId).toBe("def");
  });

  it("says something useful when the answer is no problem document", () => {
    expect(problemFrom("<html>", 502).title).toBe(text.problem.serverFault.title);
    expect(problemFrom(undefined, 418).detail).toContain("418");
    expect(toProblem(new TypeError("x is undefined")).detail).toBe("x is undefined");
  });

  it("reports everything that helps, and nothing empty", () => {
    const problem = problemFrom(
      { type: "no-server-fits", title: "No server fits", status: 503, traceId: "abc" },
      503,
    );
    problem.servers = [{ serverId: "n1", chosen: false, by: "cluster", reason: "Silent." }];
    expect(problemReport(problem, new Date("2026-01-01T00:00:00Z"), "/start").split("\n")).toEqual([
      "No server fits (no-server-fits, 503)",
      "n1: Silent.",
      `${text.problem.traceId}: abc`,
      "2026-01-01T00:00:00.000Z /start",
    ]);
  });

  it("names the script that left a server out, but not the cluster's own rules", () => {
    expect(verdictReason({ serverId: "n", chosen: false, by: "gpu-only", reason: "No GPU." })).toContain(
      "gpu-only",
    );
    expect(verdictReason({ serverId: "n", chosen: false, by: "cluster", reason: "Silent." })).toBe("Silent.");
    expect(verdictReason({ serverId: "n", chosen: false, by: "", reason: "" })).toBe(text.decision.noReason);
  });
});

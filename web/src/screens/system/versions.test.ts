import { describe, expect, it } from "vitest";
import type { SystemVersion } from "../../api/types.ts";
import { madeBy, takenAgain } from "./versions.ts";

const who = (via: string, by = "", hostname?: string) =>
  madeBy({ via: via as SystemVersion["via"], by }, "chief", hostname);

describe("who made a version", () => {
  it("is told in plain words", () => {
    expect(who("administrator", "anna")).toBe("anna");
    expect(who("administrator", "chief")).toBe("chief (you)");
    expect(who("kubernetes", "lab/physics")).toBe("Kubernetes, from lab/physics");
    expect(who("manager")).toBe("A command, such as upload-store");
    expect(who("join", "node-1", "node-1.example.org")).toBe("node-1.example.org, when it joined");
    expect(who("join", "node-9")).toBe("node-9, when it joined");
  });

  it("is told as far as it is known", () => {
    expect(who("administrator")).toBe("An administrator");
    expect(who("kubernetes")).toBe("Kubernetes");
    expect(who("join")).toBe("A server, when it joined");
    expect(who("unknown")).toBe("Not known who");
    expect(who("a way of later versions", "x")).toBe("Not known who");
  });
});

describe("a version that is taken again", () => {
  it("is as it was, also in what this client does not know", () => {
    expect(takenAgain({ schema: 1, later: { a: 1 } }, { schema: 2 })).toEqual({ schema: 1, later: { a: 1 } });
  });

  it("leaves to the present who manages the settings", () => {
    expect(takenAgain({ n: 1, managedBy: "lab/physics" }, { n: 2, managedBy: "" })).toEqual({
      n: 1,
      managedBy: "",
    });
    expect(takenAgain({ n: 1, managedBy: "lab/physics" }, { n: 2 })).toEqual({ n: 1 });
    expect(takenAgain({ n: 1 }, { n: 2, managedBy: "lab/physics" })).toEqual({
      n: 1,
      managedBy: "lab/physics",
    });
  });
});

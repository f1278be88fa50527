import { describe, expect, it } from "vitest";
import { fits, rowsToCsv, sorted } from "./rows.ts";

const rows = [
  { id: "b", name: "node-10", load: 5 },
  { id: "a", name: "node-2", load: 5 },
  { id: "c", name: "=cmd()", load: 70 },
];
const fields = [
  { key: "name", value: (row: (typeof rows)[0]) => row.name },
  { key: "load", value: (row: (typeof rows)[0]) => row.load },
];
const ids = (list: typeof rows) => list.map(({ id }) => id);

describe("rows", () => {
  it("sort by numbers in names and by figures, equal ones by their id", () => {
    const by = (key: string, down: boolean) => ids(sorted(rows, fields, { key, down }, row => row.id));
    expect(by("name", false)).toEqual(["c", "a", "b"]);
    expect(by("load", true)).toEqual(["c", "a", "b"]);
    expect(by("gone", false)).toEqual(["a", "b", "c"]);
  });

  it("fit when every word is there, whatever its case", () => {
    expect(fits("Thesis node-1 student", "NODE thesis")).toBe(true);
    expect(fits("Thesis node-1", "node thesis x")).toBe(false);
    expect(fits("anything", "  ")).toBe(true);
  });

  it("never become a formula in a file", () => {
    expect(rowsToCsv(rows.slice(2), fields)).toBe("name,load\r\n'=cmd(),70");
  });
});

/** Filters, sorts and exports the rows of a listing. */
import { csv } from "../csv.ts";

export type Value = string | number | undefined;

export interface Fields<T> {
  key: string;
  /** What the column sorts by and what a file holds; times as ISO texts. */
  value: (row: T) => Value;
}

export interface RowOrder {
  key: string;
  down: boolean;
}

/** Every word of the filter must be somewhere in `words`. */
export function fits(words: string, filter: string): boolean {
  const known = words.toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every(word => known.includes(word));
}

function compare(a: Value, b: Value): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a ?? "").localeCompare(String(b ?? ""), undefined, { numeric: true });
}

/** Sorted by one column, then by `id`, so that equal rows never change places. */
export function sorted<T>(
  rows: readonly T[],
  fields: readonly Fields<T>[],
  order: RowOrder,
  id: (row: T) => string,
): T[] {
  const value = fields.find(({ key }) => key === order.key)?.value ?? id;
  const sign = order.down ? -1 : 1;
  return [...rows].sort((a, b) => sign * compare(value(a), value(b)) || compare(id(a), id(b)));
}

export function rowsToCsv<T>(rows: readonly T[], fields: readonly Fields<T>[]): string {
  return csv(
    fields.map(({ key }) => key),
    rows.map(row => fields.map(({ value }) => value(row))),
  );
}

/** What differs between two settings documents, by path. */

export interface Change {
  path: string[];
  before: unknown;
  after: unknown;
}

type Entry = Record<string, unknown>;

function isEntry(value: unknown): value is Entry {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Lists of named things are compared by name: one that moves or goes does not change all behind it. */
function named(value: unknown): Entry | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const names = value.map(each => (isEntry(each) && typeof each.name === "string" ? each.name : undefined));
  if (names.some(name => name === undefined) || new Set(names).size !== names.length) return undefined;
  return Object.fromEntries(value.map((each, index) => [names[index], each]));
}

export function same(a: unknown, b: unknown): boolean {
  return changes(a, b).length === 0;
}

export function changes(before: unknown, after: unknown, path: string[] = []): Change[] {
  const [old, now] = [named(before) ?? before, named(after) ?? after];
  const bothLists = Array.isArray(before) === Array.isArray(after);
  if (isEntry(old) && isEntry(now) && bothLists) {
    const keys = [...new Set([...Object.keys(old), ...Object.keys(now)])];
    return keys.flatMap(key => changes(old[key], now[key], [...path, key]));
  }
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  // The first of a list, or the last that goes: each stands for itself.
  if (isEmptyList(before) && named(after)) return changes({}, named(after), path);
  if (named(before) && isEmptyList(after)) return changes(named(before), {}, path);
  return [{ path, before, after }];
}

function isEmptyList(value: unknown): boolean {
  return value === undefined || (Array.isArray(value) && value.length === 0);
}

/** A value on as few lines as say it. */
export function told(value: unknown): string {
  if (value === undefined || value === "") return "";
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.every(each => typeof each === "string")) return value.join(", ");
  return JSON.stringify(value, null, isEntry(value) || Array.isArray(value) ? 2 : 0);
}

/** Key combinations that the browser or the local desktop would keep for itself. */

interface Key {
  keysym: number;
  code: string;
}

const CTRL: Key = { keysym: 0xffe3, code: "ControlLeft" };
const ALT: Key = { keysym: 0xffe9, code: "AltLeft" };
const SUPER: Key = { keysym: 0xffeb, code: "MetaLeft" };

export interface Combination {
  label: string;
  keys: Key[];
}

export const COMBINATIONS: readonly Combination[] = [
  { label: "Ctrl + Alt + Del", keys: [CTRL, ALT, { keysym: 0xffff, code: "Delete" }] },
  { label: "Alt + Tab", keys: [ALT, { keysym: 0xff09, code: "Tab" }] },
  { label: "Alt + F4", keys: [ALT, { keysym: 0xffc1, code: "F4" }] },
  { label: "Super", keys: [SUPER] },
  { label: "Ctrl + W", keys: [CTRL, { keysym: 0x77, code: "KeyW" }] },
  { label: "Ctrl + T", keys: [CTRL, { keysym: 0x74, code: "KeyT" }] },
  { label: "Esc", keys: [{ keysym: 0xff1b, code: "Escape" }] },
  { label: "F11", keys: [{ keysym: 0xffc8, code: "F11" }] },
  { label: "Print", keys: [{ keysym: 0xff61, code: "PrintScreen" }] },
];

const NAMED: Record<string, number> = { "\n": 0xff0d, "\t": 0xff09, "\b": 0xff08 };

/** The X keysym of a character. */
export function keysymOf(character: string): number {
  const named = NAMED[character];
  if (named !== undefined) return named;
  const point = character.codePointAt(0) ?? 0;
  return point < 0x100 ? point : 0x01000000 + point;
}

/** What changed between two states of a typing field: characters taken away at the end, then characters added. */
export function typed(before: string, after: string): { erased: number; added: string } {
  let same = 0;
  while (same < before.length && same < after.length && before[same] === after[same]) same += 1;
  return { erased: [...before.slice(same)].length, added: after.slice(same) };
}

/** Keeps rows where they are while somebody points at them: news changes what they say, not where they stand. */
import { type FocusEvent, useRef, useState } from "react";

/** `rows` in the order of `ids`; what is new comes last, what is gone leaves. */
export function inOrderOf<T>(rows: readonly T[], id: (row: T) => string, ids: readonly string[]): T[] {
  const left = new Map(rows.map(row => [id(row), row]));
  const known = ids.flatMap(each => {
    const row = left.get(each);
    left.delete(each);
    return row === undefined ? [] : [row];
  });
  return [...known, ...left.values()];
}

/** For the element around the rows. */
export interface Hold {
  onPointerEnter: () => void;
  onPointerLeave: () => void;
  onFocus: () => void;
  onBlur: (event: FocusEvent) => void;
}

/** `wish` is what the reader asked for: another one sorts at once. */
export function useSteady<T>(rows: readonly T[], id: (row: T) => string, wish: string): [readonly T[], Hold] {
  const [pointed, setPointed] = useState(false);
  const [focused, setFocused] = useState(false);
  const kept = useRef<{ wish: string; ids: string[] }>({ wish: "", ids: [] });
  const holds = (pointed || focused) && kept.current.wish === wish;
  const shown = holds ? inOrderOf(rows, id, kept.current.ids) : rows;
  kept.current = { wish, ids: shown.map(id) };
  return [
    shown,
    {
      onPointerEnter: () => setPointed(true),
      onPointerLeave: () => setPointed(false),
      onFocus: () => setFocused(true),
      onBlur: ({ currentTarget, relatedTarget }) => setFocused(currentTarget.contains(relatedTarget)),
    },
  ];
}

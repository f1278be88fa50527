/** Short notes about what was just done or refused; `toasts.tsx` shows them. */
import { Store } from "../live/store.ts";

export type Note = { id: number } & ({ words: string } | { error: unknown });

const MOST = 3;
export const notes = new Store<readonly Note[]>([]);
let nextId = 1;

/** Says what was done; gone by itself. */
export function say(words: string): void {
  notes.set([...notes.get(), { id: nextId++, words }].slice(-MOST));
}

/** Says why something was refused; stays until it is put away, or the next refusal takes its place. */
export function refuse(error: unknown): void {
  const done = notes.get().filter(note => "words" in note);
  notes.set([...done, { id: nextId++, error }].slice(-MOST));
}

export function putAway(id: number): void {
  notes.set(notes.get().filter(note => note.id !== id));
}

export function putAwayWords(): void {
  notes.set(notes.get().filter(note => !("words" in note)));
}

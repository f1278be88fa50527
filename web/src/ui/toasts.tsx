/** Notes at the edge of the window: what was done is read aloud and goes by itself, a refusal stays. */
import { ActionIcon } from "@mantine/core";
import { IconX } from "@tabler/icons-react";
import { useEffect } from "react";
import { useStore } from "../live/store.ts";
import { text } from "../text.ts";
import { ProblemView } from "./problem.tsx";
import { notes, putAway, putAwayWords } from "./say.ts";
import classes from "./toasts.module.css";

const SHOWN_MS = 5_000;

export function Toasts() {
  const shown = useStore(notes, value => value);
  const done = shown.filter(note => "words" in note);
  const last = done.at(-1)?.id;
  useEffect(() => {
    if (last === undefined) return;
    const timer = setTimeout(putAwayWords, SHOWN_MS);
    return () => clearTimeout(timer);
  }, [last]);
  return (
    <div className={classes.toasts}>
      {shown.map(note =>
        "error" in note ? (
          <div key={note.id} className={classes.refusal}>
            <ProblemView error={note.error} />
            <ActionIcon
              className={classes.away ?? ""}
              aria-label={text.common.close}
              onClick={() => putAway(note.id)}
            >
              <IconX size={16} aria-hidden />
            </ActionIcon>
          </div>
        ) : null,
      )}
      <div className={classes.done} role="status">
        {done.map(({ id, words }) => (
          <p key={id} className={classes.toast}>
            {words}
          </p>
        ))}
      </div>
    </div>
  );
}

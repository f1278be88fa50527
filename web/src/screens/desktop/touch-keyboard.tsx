/** An unseen field that brings up the touch keyboard and passes on what is typed. */
import { type FormEvent, type RefObject, useRef } from "react";
import { keysymOf, typed } from "../../display/keys.ts";
import type { Viewer } from "../../display/viewer.ts";
import { text } from "../../text.ts";

const BACKSPACE = 0xff08;
/** Something to erase: a touch keyboard reports Backspace only as a shorter text. */
const FILLER = "_".repeat(64);

interface Props {
  viewer: RefObject<Viewer | undefined>;
  field: RefObject<HTMLTextAreaElement | null>;
}

export function TouchKeyboard({ viewer, field }: Props) {
  const before = useRef(FILLER);
  const onInput = (event: FormEvent<HTMLTextAreaElement>) => {
    const element = event.currentTarget;
    const { erased, added } = typed(before.current, element.value);
    for (let count = 0; count < erased; count += 1) viewer.current?.type(BACKSPACE);
    for (const character of added) viewer.current?.type(keysymOf(character));
    const composing = (event.nativeEvent as InputEvent).isComposing;
    if (!composing && (element.value.length < 8 || element.value.length > 256)) element.value = FILLER;
    before.current = element.value;
  };
  return (
    <textarea
      ref={field}
      className="hidden"
      aria-label={text.desktop.keyboard}
      tabIndex={-1}
      autoCapitalize="none"
      autoComplete="off"
      autoCorrect="off"
      spellCheck={false}
      defaultValue={FILLER}
      onInput={onInput}
    />
  );
}

/** Text in both directions by hand, and the switch to let it go by itself. */
import { Button } from "@mantine/core";
import { useId, useState } from "react";
import { text } from "../../text.ts";
import { CopyButton } from "../../ui/copy.tsx";
import { say } from "../../ui/toasts.tsx";
import classes from "./panels.module.css";
import type { SharedClipboard } from "./use-clipboard.ts";

export function ClipboardPanel({ clipboard, canSend }: { clipboard: SharedClipboard; canSend: boolean }) {
  const { access, remote, send, ask } = clipboard;
  const words = text.desktop;
  const from = useId();
  const to = useId();
  const [draft, setDraft] = useState("");
  const submit = () => {
    send(draft);
    setDraft("");
    say(words.clipboardSent);
  };
  return (
    <div className={classes.panel}>
      <p className={classes.hint}>{accessWords(access)}</p>
      {access === "prompt" ? (
        <Button variant="light" size="compact-sm" onClick={ask}>
          {words.clipboardAllow}
        </Button>
      ) : null}
      <label htmlFor={to}>{words.clipboardTo}</label>
      <textarea
        id={to}
        rows={3}
        className={classes.text}
        value={draft}
        disabled={!canSend}
        onChange={event => setDraft(event.currentTarget.value)}
      />
      <div className={classes.row}>
        <Button size="compact-sm" disabled={!canSend || !draft} onClick={submit}>
          {words.clipboardSend}
        </Button>
      </div>
      <label htmlFor={from}>{words.clipboardFrom}</label>
      {remote ? (
        <>
          <textarea id={from} rows={3} className={classes.text} readOnly value={remote} />
          <div className={classes.row}>
            <CopyButton value={() => remote} label={words.clipboardCopy} />
          </div>
        </>
      ) : (
        <output id={from} className={classes.hint}>
          {words.clipboardNone}
        </output>
      )}
    </div>
  );
}

function accessWords(access: SharedClipboard["access"]): string {
  switch (access) {
    case "granted":
      return text.desktop.clipboardAuto;
    case "prompt":
      return text.desktop.clipboardAsk;
    case "denied":
      return text.desktop.clipboardDenied;
    default:
      return text.desktop.clipboardManual;
  }
}

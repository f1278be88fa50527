/** Text in both directions by hand, and the switch to let it go by itself. */
import { Button } from "@mantine/core";
import { useId, useState } from "react";
import { text } from "../../text.ts";
import { CopyButton } from "../../ui/copy.tsx";
import { say } from "../../ui/say.ts";
import { clipboardWords } from "../session/limits.tsx";
import classes from "./panels.module.css";
import type { SharedClipboard } from "./use-clipboard.ts";

interface Props {
  clipboard: SharedClipboard;
  /** Which way text may go: `off`, `in`, `out`, `both`. */
  rule: string;
  canSend: boolean;
}

export function ClipboardPanel({ clipboard, rule, canSend }: Props) {
  if (rule === "off") {
    return (
      <div className={classes.panel}>
        <p>{clipboardWords(rule)}</p>
      </div>
    );
  }
  return <Text clipboard={clipboard} rule={rule} canSend={canSend && rule !== "out"} />;
}

function Text({ clipboard, rule, canSend }: Props) {
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
      {rule === "both" ? null : <p>{clipboardWords(rule)}</p>}
      <p className={classes.hint}>{accessWords(access)}</p>
      {access === "prompt" ? (
        <Button variant="light" size="compact-sm" onClick={ask}>
          {words.clipboardAllow}
        </Button>
      ) : null}
      {rule === "out" ? null : (
        <>
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
        </>
      )}
      {rule === "in" ? null : (
        <>
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
        </>
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

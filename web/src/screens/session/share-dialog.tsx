/** Who is in a session, with whom it is shared, and a share with somebody more. */
import "../../styles/dialogs.css";
import "../../styles/controls.css";
import { Button, Modal, NativeSelect, SegmentedControl, TextInput } from "@mantine/core";
import { IconLink, IconUser } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import { api } from "../../api/client.ts";
import type { Session, Share, ShareMode } from "../../api/types.ts";
import { useMe } from "../../me.ts";
import { text } from "../../text.ts";
import { CopyButton } from "../../ui/copy.tsx";
import dialog from "../../ui/dialog.module.css";
import { ProblemView } from "../../ui/problem.tsx";
import { say } from "../../ui/say.ts";
import { When } from "../../ui/when.tsx";
import { isMine } from "../home/standing.ts";
import { Here } from "./here.tsx";
import classes from "./share-dialog.module.css";

const words = text.sharing;
const USUAL_MINUTES = 60;

interface Props {
  session: Session;
  title: string;
  opened: boolean;
  onClose: () => void;
  /** Called before all are disconnected, by somebody who wants to come back. */
  onDisconnect?: () => void;
}

export function ShareDialog({ session, title, opened, onClose, onDisconnect }: Props) {
  const me = useMe();
  const mine = isMine(session, me.login);
  const [url, setUrl] = useState("");
  // A link is shown once: it goes with the dialog.
  useEffect(() => {
    if (!opened) setUrl("");
  }, [opened]);
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      size="lg"
      title={mine ? words.title(title) : words.hereTitle(title)}
      closeButtonProps={{ "aria-label": text.common.close }}
    >
      <div className={classes.body}>
        {mine ? (
          <>
            {url ? (
              <LinkMade url={url} onDone={() => setUrl("")} />
            ) : (
              <ShareForm session={session} onLink={setUrl} />
            )}
            <Shares session={session} />
          </>
        ) : null}
        <Here session={session} title={title} {...(onDisconnect ? { onDisconnect } : {})} />
      </div>
    </Modal>
  );
}

function ShareForm({ session, onLink }: { session: Session; onLink: (url: string) => void }) {
  const me = useMe();
  const kindLabel = useId();
  const field = useRef<HTMLInputElement>(null);
  const [kind, setKind] = useState<"person" | "link">("person");
  const [login, setLogin] = useState("");
  const [mode, setMode] = useState<ShareMode>("view");
  const [minutes, setMinutes] = useState(USUAL_MINUTES);
  const [wrong, setWrong] = useState("");
  const wanted = kind === "person" ? login.trim() : "";
  const share = useMutation({
    mutationFn: () => api.share(session.id, { login: wanted, mode, minutes }),
    onSuccess: made => {
      if (made.url) return onLink(new URL(made.url, window.location.origin).href);
      say(words.shared(made.login));
      setLogin("");
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const problem = kind === "link" ? "" : !wanted ? words.needLogin : wanted === me.login ? words.self : "";
    setWrong(problem);
    if (problem) field.current?.focus();
    else share.mutate();
  };
  return (
    <form className={classes.form} onSubmit={submit} noValidate>
      <div className={classes.field}>
        <span id={kindLabel} className={classes.label}>
          {words.new}
        </span>
        <SegmentedControl
          aria-labelledby={kindLabel}
          data={[
            { value: "person", label: words.person },
            { value: "link", label: words.link },
          ]}
          value={kind}
          onChange={value => setKind(value === "link" ? "link" : "person")}
        />
      </div>
      {kind === "person" ? (
        <TextInput
          ref={field}
          label={words.login}
          autoCapitalize="none"
          autoComplete="off"
          spellCheck={false}
          data-autofocus
          value={login}
          error={wrong}
          aria-invalid={wrong ? true : undefined}
          onChange={event => setLogin(event.currentTarget.value)}
        />
      ) : (
        <p className={classes.quiet}>{words.linkHint}</p>
      )}
      <div className={classes.pair}>
        <NativeSelect
          label={words.modeLabel}
          data={[
            { value: "view", label: words.choices.view },
            { value: "control", label: words.choices.control },
          ]}
          value={mode}
          onChange={event => setMode(event.currentTarget.value === "control" ? "control" : "view")}
        />
        <NativeSelect
          label={words.howLong}
          data={words.spans.map(each => ({ value: String(each.minutes), label: each.label }))}
          value={String(minutes)}
          onChange={event => setMinutes(Number(event.currentTarget.value))}
        />
      </div>
      {mode === "control" ? <p className={classes.warn}>{words.control}</p> : null}
      {share.isError ? <ProblemView error={share.error} /> : null}
      <div className={dialog.actions}>
        <Button type="submit" loading={share.isPending}>
          {kind === "link" ? words.makeLink : words.submit}
        </Button>
      </div>
    </form>
  );
}

function LinkMade({ url, onDone }: { url: string; onDone: () => void }) {
  return (
    <div className={classes.form}>
      <p className={classes.warn} role="status">
        {words.linkMade}
      </p>
      <TextInput
        aria-label={words.linkLabel}
        readOnly
        value={url}
        onFocus={event => event.currentTarget.select()}
      />
      <div className={dialog.actions}>
        <Button variant="default" onClick={onDone}>
          {words.linkDone}
        </Button>
        <CopyButton value={() => url} label={words.copyLink} main />
      </div>
    </div>
  );
}

function Shares({ session }: { session: Session }) {
  const shares = session.shares ?? [];
  return (
    <section className={classes.part}>
      <h3>{words.shares}</h3>
      {shares.length === 0 ? <p className={classes.quiet}>{words.noShares}</p> : null}
      <ul className={classes.list}>
        {shares.map(share => (
          <OneShare key={share.id} session={session} share={share} />
        ))}
      </ul>
    </section>
  );
}

function OneShare({ session, share }: { session: Session; share: Share }) {
  const whom = share.login || words.anybody;
  const stop = useMutation({
    mutationFn: () => api.unshare(session.id, share.id),
    onSuccess: () => say(words.stopped(whom)),
  });
  const Icon = share.login ? IconUser : IconLink;
  return (
    <li>
      <Icon size={16} aria-hidden className={classes.icon} />
      <span className={classes.words}>
        <span className={classes.who}>{whom}</span>
        <span className={classes.quiet}>
          {words.mode[share.mode]}, {words.until} <When at={share.expires} as="clock" />
          {share.guests?.length ? `, ${words.guests(share.guests)}` : ""}
        </span>
        {stop.isError ? <ProblemView error={stop.error} /> : null}
      </span>
      <Button
        variant="default"
        size="compact-sm"
        aria-label={words.stopWith(whom)}
        loading={stop.isPending}
        onClick={() => stop.mutate()}
      >
        {words.stop}
      </Button>
    </li>
  );
}

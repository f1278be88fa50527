/** The dialogs about tokens: a new one, another name, an end. */
import "../../styles/dialogs.css";
import { Button, Modal, NativeSelect, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useEffect, useState } from "react";
import { api } from "../../api/client.ts";
import type { Token } from "../../api/types.ts";
import { leave } from "../../me.ts";
import { text } from "../../text.ts";
import { Confirm } from "../../ui/confirm.tsx";
import { CopyButton } from "../../ui/copy.tsx";
import dialog from "../../ui/dialog.module.css";
import { NameDialog } from "../../ui/name-dialog.tsx";
import { ProblemView } from "../../ui/problem.tsx";
import { say } from "../../ui/say.ts";
import { When } from "../../ui/when.tsx";
import { nameOf } from "./token-columns.tsx";
import classes from "./tokens.module.css";

const words = text.tokens;
const LONGEST = 64;
const DAYS = [1, 7, 30, 90] as const;
const USUAL_DAYS = 30;

interface OpenProps {
  opened: boolean;
  onClose: () => void;
}

/** Lists of tokens are asked for again after each change. */
function useRefresh(): () => void {
  const queries = useQueryClient();
  return () => {
    void queries.invalidateQueries({ queryKey: ["tokens"] });
    void queries.invalidateQueries({ queryKey: ["users"] });
  };
}

export function NewTokenDialog({ opened, onClose }: OpenProps) {
  const [made, setMade] = useState<string>();
  // Gone with the dialog: it is shown once.
  useEffect(() => {
    if (!opened) setMade(undefined);
  }, [opened]);
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      closeOnClickOutside={made === undefined}
      title={made === undefined ? words.create : words.made}
      closeButtonProps={{ "aria-label": text.common.close }}
    >
      {made === undefined ? (
        <NewTokenForm onMade={setMade} onClose={onClose} />
      ) : (
        <Secret secret={made} onClose={onClose} />
      )}
    </Modal>
  );
}

function NewTokenForm({ onMade, onClose }: { onMade: (token: string) => void; onClose: () => void }) {
  const refresh = useRefresh();
  const [label, setLabel] = useState("");
  const [days, setDays] = useState<number>(USUAL_DAYS);
  const [missing, setMissing] = useState("");
  const create = useMutation({
    mutationFn: () => api.createToken(label.trim(), days),
    onSuccess: ({ token }) => {
      refresh();
      onMade(token);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setMissing(label.trim() ? "" : words.needLabel);
    if (label.trim()) create.mutate();
  };
  return (
    <form className={dialog.body} onSubmit={submit} noValidate>
      <p>{words.createHint}</p>
      <TextInput
        label={words.columns.label}
        description={words.labelHint}
        maxLength={LONGEST}
        data-autofocus
        autoComplete="off"
        value={label}
        error={missing}
        onChange={event => setLabel(event.currentTarget.value)}
      />
      <NativeSelect
        label={words.days}
        data={DAYS.map(each => ({ value: String(each), label: words.dayCount(each) }))}
        value={String(days)}
        onChange={event => setDays(Number(event.currentTarget.value))}
      />
      {create.isError ? <ProblemView error={create.error} /> : null}
      <div className={dialog.actions}>
        <Button variant="default" onClick={onClose}>
          {text.common.cancel}
        </Button>
        <Button type="submit" loading={create.isPending}>
          {words.create}
        </Button>
      </div>
    </form>
  );
}

function Secret({ secret, onClose }: { secret: string; onClose: () => void }) {
  return (
    <div className={dialog.body}>
      <p className={classes.once}>{words.once}</p>
      <textarea
        className={classes.secret}
        aria-label={words.secret}
        rows={3}
        readOnly
        value={secret}
        onFocus={event => event.currentTarget.select()}
      />
      <div className={classes.row}>
        <CopyButton value={() => secret} label={words.copy} />
      </div>
      <p>{words.use}</p>
      <code className={classes.secret}>{words.useLine}</code>
      <div className={dialog.actions}>
        <Button onClick={onClose} data-autofocus>
          {words.copied}
        </Button>
      </div>
    </div>
  );
}

interface TokenProps extends OpenProps {
  token: Token;
}

export function RenameTokenDialog({ token, opened, onClose }: TokenProps) {
  const refresh = useRefresh();
  const rename = useMutation({
    mutationFn: (label: string) => api.renameToken(token.id, label),
    onSuccess: () => {
      refresh();
      onClose();
    },
  });
  return (
    <NameDialog
      opened={opened}
      title={words.renameTitle(nameOf(token))}
      label={words.columns.label}
      hint={words.labelHint}
      name={token.label}
      longest={LONGEST}
      mayBeEmpty
      busy={rename.isPending}
      error={rename.error}
      onRename={rename.mutate}
      onClose={onClose}
    />
  );
}

export function RevokeDialog({ token, opened, onClose }: TokenProps) {
  const refresh = useRefresh();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const name = nameOf(token);
  const revoke = useMutation({
    mutationFn: () => (token.current ? api.signOut() : api.revokeToken(token.id)),
    onSuccess: () => {
      if (token.current) return void leave(queries, () => navigate({ to: "/signin" }));
      say(words.revoked(name));
      refresh();
      onClose();
    },
  });
  return (
    <Confirm
      opened={opened}
      title={token.current ? words.signOutTitle : words.revokeTitle(name)}
      confirm={token.current ? text.shell.signOut : words.revoke}
      busy={revoke.isPending}
      error={revoke.error}
      onConfirm={() => revoke.mutate()}
      onClose={onClose}
    >
      <p>{token.current ? words.signOutLoss : words.revokeLoss}</p>
      <p>
        {token.login ? `${words.of(token.login)}, ` : ""}
        {words.since} <When at={token.issued} as="clock" />
        {token.address ? `, ${words.from(token.address)}` : ""}
      </p>
    </Confirm>
  );
}

/** Gives a session another name. */
import "../../styles/dialogs.css";
import { Button, Modal, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useEffect, useState } from "react";
import { api } from "../../api/client.ts";
import type { Session } from "../../api/types.ts";
import { text } from "../../text.ts";
import classes from "../../ui/dialog.module.css";
import { ProblemView } from "../../ui/problem.tsx";
import { say } from "../../ui/toasts.tsx";

interface Props {
  session: Session;
  title: string;
  opened: boolean;
  onClose: () => void;
}

const LONGEST = 128;

export function RenameDialog({ session, title, opened, onClose }: Props) {
  const [name, setName] = useState(title);
  const rename = useMutation({
    mutationFn: (wanted: string) => api.rename(session.id, wanted),
    onSuccess: (_answer, wanted) => {
      say(text.session.renamed(wanted));
      onClose();
    },
  });
  const { reset } = rename;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a name that changes elsewhere must not overwrite typing
  useEffect(() => {
    if (!opened) return;
    setName(title);
    reset();
  }, [opened, reset]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const wanted = name.trim();
    if (!wanted || wanted === title) onClose();
    else rename.mutate(wanted);
  };
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={text.session.renameTitle}
      closeButtonProps={{ "aria-label": text.common.close }}
    >
      <form className={classes.body} onSubmit={submit}>
        <TextInput
          label={text.session.name}
          value={name}
          maxLength={LONGEST}
          data-autofocus
          onFocus={event => event.currentTarget.select()}
          onChange={event => setName(event.currentTarget.value)}
        />
        {rename.isError ? <ProblemView error={rename.error} /> : null}
        <div className={classes.actions}>
          <Button variant="default" onClick={onClose}>
            {text.common.cancel}
          </Button>
          <Button type="submit" loading={rename.isPending}>
            {text.session.save}
          </Button>
        </div>
      </form>
    </Modal>
  );
}

/** Gives something another name. */
import "../styles/dialogs.css";
import { Button, Modal, TextInput } from "@mantine/core";
import { type FormEvent, useEffect, useState } from "react";
import { text } from "../text.ts";
import classes from "./dialog.module.css";
import { ProblemView } from "./problem.tsx";

interface Props {
  opened: boolean;
  title: string;
  label: string;
  hint?: string;
  /** The present name. */
  name: string;
  longest: number;
  /** Whether it may have no name. */
  mayBeEmpty?: boolean;
  busy: boolean;
  error?: unknown;
  /** With a name that is another one than the present. */
  onRename: (name: string) => void;
  onClose: () => void;
}

export function NameDialog(props: Props) {
  const {
    opened,
    title,
    label,
    hint,
    name,
    longest,
    mayBeEmpty = false,
    busy,
    error,
    onRename,
    onClose,
  } = props;
  const [typed, setTyped] = useState(name);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a name that changes elsewhere must not overwrite typing
  useEffect(() => {
    if (opened) setTyped(name);
  }, [opened]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const wanted = typed.trim();
    if (wanted === name || !(wanted || mayBeEmpty)) onClose();
    else onRename(wanted);
  };
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={title}
      closeButtonProps={{ "aria-label": text.common.close }}
    >
      <form className={classes.body} onSubmit={submit}>
        <TextInput
          label={label}
          description={hint}
          maxLength={longest}
          data-autofocus
          autoComplete="off"
          value={typed}
          onFocus={event => event.currentTarget.select()}
          onChange={event => setTyped(event.currentTarget.value)}
        />
        {error ? <ProblemView error={error} /> : null}
        <div className={classes.actions}>
          <Button variant="default" onClick={onClose}>
            {text.common.cancel}
          </Button>
          <Button type="submit" loading={busy}>
            {text.session.save}
          </Button>
        </div>
      </form>
    </Modal>
  );
}

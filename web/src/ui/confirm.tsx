/** Asks once more, naming what is lost. */
import "../styles/dialogs.css";
import { Button, Modal } from "@mantine/core";
import type { ReactNode } from "react";
import { text } from "../text.ts";
import classes from "./dialog.module.css";
import { ProblemView } from "./problem.tsx";

interface Props {
  opened: boolean;
  title: string;
  children: ReactNode;
  confirm: string;
  cancel?: string;
  busy?: boolean;
  error?: unknown;
  onConfirm: () => void;
  onClose: () => void;
}

export function Confirm(props: Props) {
  const {
    opened,
    title,
    children,
    confirm,
    cancel = text.common.cancel,
    busy = false,
    error,
    onConfirm,
    onClose,
  } = props;
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={title}
      closeButtonProps={{ "aria-label": text.common.close }}
    >
      <div className={classes.body}>
        {children}
        {error ? <ProblemView error={error} /> : null}
        <div className={classes.actions}>
          <Button variant="default" onClick={onClose} data-autofocus>
            {cancel}
          </Button>
          <Button color="red" loading={busy} onClick={onConfirm}>
            {confirm}
          </Button>
        </div>
      </div>
    </Modal>
  );
}

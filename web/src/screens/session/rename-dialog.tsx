/** Gives a session another name. */
import { useMutation } from "@tanstack/react-query";
import { useEffect } from "react";
import { api } from "../../api/client.ts";
import type { Session } from "../../api/types.ts";
import { text } from "../../text.ts";
import { NameDialog } from "../../ui/name-dialog.tsx";
import { say } from "../../ui/say.ts";

interface Props {
  session: Session;
  title: string;
  opened: boolean;
  onClose: () => void;
}

const LONGEST = 128;

export function RenameDialog({ session, title, opened, onClose }: Props) {
  const rename = useMutation({
    mutationFn: (wanted: string) => api.rename(session.id, wanted),
    onSuccess: (_answer, wanted) => {
      say(text.session.renamed(wanted));
      onClose();
    },
  });
  const { reset } = rename;
  useEffect(() => {
    if (opened) reset();
  }, [opened, reset]);
  return (
    <NameDialog
      opened={opened}
      title={text.session.renameTitle}
      label={text.session.name}
      name={title}
      longest={LONGEST}
      busy={rename.isPending}
      error={rename.error}
      onRename={rename.mutate}
      onClose={onClose}
    />
  );
}

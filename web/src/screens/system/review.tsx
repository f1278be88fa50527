/** What is not saved yet, and its differences before it is. */
import { Button, Modal } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api } from "../../api/client.ts";
import { toProblem } from "../../api/problem.ts";
import type { Document, Scope, SystemSettings } from "../../api/types.ts";
import { text } from "../../text.ts";
import dialog from "../../ui/dialog.module.css";
import { ProblemView } from "../../ui/problem.tsx";
import { say } from "../../ui/say.ts";
import type { Change } from "./changes.ts";
import { Differences } from "./differences.tsx";
import { Mark } from "./marks.tsx";
import { historyQuery, systemQuery } from "./query.ts";
import classes from "./system.module.css";

const words = text.system;

interface SaveBarProps {
  count: number;
  wrong: boolean;
  onDiscard: () => void;
  onReview: () => void;
}

export function SaveBar({ count, wrong, onDiscard, onReview }: SaveBarProps) {
  return (
    <section className={classes.save} aria-label={words.unsaved}>
      <p role="status">{wrong ? words.fix : words.changes(count)}</p>
      <Button variant="default" onClick={onDiscard}>
        {words.discard}
      </Button>
      <Button onClick={onReview} disabled={wrong || count === 0}>
        {words.review}
      </Button>
    </section>
  );
}

interface ReviewProps {
  scope: Scope;
  settings: SystemSettings;
  draft: Document;
  differences: Change[];
  opened: boolean;
  onClose: () => void;
}

export function Review({ scope, settings, draft, differences, opened, onClose }: ReviewProps) {
  const queries = useQueryClient();
  const save = useMutation({
    mutationFn: () => api.saveSystem(scope, { generation: settings.generation, document: draft }),
    onSuccess: stored => {
      say(words.saved[scope]);
      onClose();
      queries.setQueryData(systemQuery(scope).queryKey, stored);
      void queries.invalidateQueries({ queryKey: historyQuery(scope).queryKey });
    },
  });
  const stale = save.isError && toProblem(save.error).type === "config-changed";
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      size="xl"
      title={words.reviewTitle(differences.length)}
      closeButtonProps={{ "aria-label": text.common.close }}
    >
      <div className={dialog.body}>
        <Mark scope={scope} />
        <Differences changes={differences} />
        {save.isError ? (
          <ProblemView error={save.error}>
            {stale ? (
              <Button
                variant="default"
                size="compact-sm"
                onClick={() => void queries.invalidateQueries({ queryKey: systemQuery(scope).queryKey })}
              >
                {words.loadNewer}
              </Button>
            ) : null}
          </ProblemView>
        ) : null}
        <div className={dialog.actions}>
          <Button variant="default" onClick={onClose}>
            {words.goOn}
          </Button>
          <Button loading={save.isPending} disabled={stale} onClick={() => save.mutate()} data-autofocus>
            {words.save[scope]}
          </Button>
        </div>
      </div>
    </Modal>
  );
}

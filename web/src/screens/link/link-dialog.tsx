/** The questions of a server at which a start is about to happen. */
import "../../styles/dialogs.css";
import { Modal } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "../../api/client.ts";
import { toProblem } from "../../api/problem.ts";
import { useServer } from "../../live/live.ts";
import { text } from "../../text.ts";
import { ConversationForm } from "../../ui/conversation.tsx";
import dialog from "../../ui/dialog.module.css";
import { ProblemView } from "../../ui/problem.tsx";
import { type Asking, useAsking } from "./asking.ts";

export function LinkDialog() {
  const asking = useAsking();
  const server = useServer(asking?.serverId);
  const name = server?.hostname ?? asking?.serverId ?? "";
  return (
    <Modal
      opened={asking !== undefined}
      onClose={() => asking?.giveUp()}
      closeOnClickOutside={false}
      title={text.link.title(name)}
      closeButtonProps={{ "aria-label": text.common.close }}
    >
      {asking ? <Questions key={asking.conversation.id} asking={asking} server={name} /> : null}
    </Modal>
  );
}

function Questions({ asking, server }: { asking: Asking; server: string }) {
  const { serverId } = asking;
  const [conversation, setConversation] = useState(asking.conversation);
  const again = useMutation({
    mutationFn: () => api.link(serverId),
    onSuccess: next => (next.conversation ? setConversation(next.conversation) : asking.done()),
    onError: asking.giveUp,
  });
  const answer = useMutation({
    mutationFn: (answers: string[]) => api.answerLink(serverId, conversation.id, answers),
    onSuccess: next => (next.conversation ? setConversation(next.conversation) : asking.done()),
    onError: error => {
      const { type, status } = toProblem(error);
      // The server forgets a conversation that failed: the same questions come anew, below what went wrong.
      if (type === "wrong-credentials" || type === "conversation-over") again.mutate();
      else if (status !== 0 && status !== 429) asking.giveUp(error);
    },
  });
  const kind = answer.isError ? toProblem(answer.error).type : "";
  const words: Record<string, string | undefined> = {
    "wrong-credentials": text.link.wrong,
    "conversation-over": text.link.over,
  };
  // Said when the questions stand there anew, so that nobody answers the ones before.
  const problem = again.isPending ? null : words[kind] ? (
    <p className={dialog.wrong} role="alert">
      {words[kind]}
    </p>
  ) : answer.isError ? (
    <ProblemView error={answer.error} />
  ) : null;
  return (
    <div className={dialog.body}>
      <p>{text.link.why(server)}</p>
      <ConversationForm
        conversation={conversation}
        busy={answer.isPending || again.isPending}
        submit={text.link.submit}
        problem={problem}
        onAnswers={answers => answer.mutate(answers)}
        onCancel={() => asking.giveUp()}
      />
    </div>
  );
}

/** Login and password, and after them whatever else the server asks. */
import { Button, TextInput, UnstyledButton } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useRouter } from "@tanstack/react-router";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { type Asked, api } from "../../api/client.ts";
import { ProblemError, toProblem } from "../../api/problem.ts";
import type { Conversation, Me } from "../../api/types.ts";
import { farewell, meQuery } from "../../me.ts";
import { text } from "../../text.ts";
import { ConversationForm } from "../../ui/conversation.tsx";
import { Password } from "../../ui/password.tsx";
import { ProblemView } from "../../ui/problem.tsx";
import classes from "./signin.module.css";

const route = getRouteApi("/signin");

export type PasswordMethod = "local" | "ssh";

interface Props {
  method: PasswordMethod;
  /** The only way in: then it needs no name. */
  alone: boolean;
  /** Whether it is the first of the ways. */
  main: boolean;
  /** Told when the server asks more, and when that is over. */
  onTalk: (talking: boolean) => void;
}

export function PasswordForm(props: Props) {
  const { onTalk } = props;
  const { to } = route.useSearch();
  const router = useRouter();
  const queries = useQueryClient();
  const [login, setLogin] = useState("");
  const [serverId, setServerId] = useState("");
  const [conversation, setConversation] = useState<Conversation>();
  const take = (answer: Asked<Me>) => {
    setConversation(answer.conversation);
    if (!answer.done) return;
    farewell.set("");
    queries.setQueryData(meQuery.queryKey, answer.done);
    router.history.push(to ?? "/");
  };
  const answer = useMutation({
    mutationFn: ({ id, answers }: { id: string; answers: string[] }) => api.answerSignIn(id, answers),
    onSuccess: take,
    // Without an answer the question still stands; after a refusal the sign-in begins anew.
    onError: error => toProblem(error).status !== 0 && setConversation(undefined),
  });
  useEffect(() => onTalk(conversation !== undefined), [conversation, onTalk]);
  if (conversation) {
    return (
      <ConversationForm
        conversation={conversation}
        busy={answer.isPending}
        submit={text.signIn.submit}
        problem={answer.isError ? <ProblemView error={answer.error} /> : null}
        onAnswers={answers => answer.mutate({ id: conversation.id, answers })}
        onCancel={() => {
          answer.reset();
          setConversation(undefined);
        }}
      />
    );
  }
  return (
    <Fields
      {...props}
      login={login}
      serverId={serverId}
      before={answer.error}
      onLogin={setLogin}
      onServer={setServerId}
      onAnswer={take}
      onTry={answer.reset}
    />
  );
}

interface FieldsProps extends Props {
  login: string;
  serverId: string;
  /** Why the conversation before ended without a sign-in. */
  before: unknown;
  onLogin: (login: string) => void;
  onServer: (serverId: string) => void;
  onAnswer: (answer: Asked<Me>) => void;
  onTry: () => void;
}

function Fields(props: FieldsProps) {
  const { method, alone, main, login, serverId, before, onLogin, onServer, onAnswer, onTry } = props;
  const loginField = useRef<HTMLInputElement>(null);
  const passwordField = useRef<HTMLInputElement>(null);
  const [password, setPassword] = useState("");
  const [missing, setMissing] = useState<{ login?: string; password?: string }>({});
  const signIn = useMutation({
    mutationFn: () =>
      api.signIn({
        method,
        login: login.trim(),
        password,
        ...(method === "ssh" && serverId.trim() ? { serverId: serverId.trim() } : {}),
      }),
    onSuccess: onAnswer,
    onError: () => {
      setPassword("");
      passwordField.current?.focus();
    },
  });
  const error = signIn.error ?? (signIn.isIdle ? before : null);
  const wait = useCountdown(error);
  const kind = error instanceof ProblemError ? error.problem.type : "";
  const wrong = kind === "wrong-credentials" && !password ? text.signIn.wrong : undefined;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const lacks = {
      ...(login.trim() ? {} : { login: text.signIn.needLogin }),
      // An SSH server may ask for something else; it then says so in the next step.
      ...(password || method === "ssh" ? {} : { password: text.signIn.needPassword }),
    };
    setMissing(lacks);
    if (lacks.login) loginField.current?.focus();
    else if (lacks.password) passwordField.current?.focus();
    else {
      onTry();
      signIn.mutate();
    }
  };
  return (
    <form className={classes.form} onSubmit={submit} noValidate aria-label={text.signIn.ways[method]}>
      {alone ? null : <p className={classes.way}>{text.signIn.ways[method]}</p>}
      <TextInput
        ref={loginField}
        label={text.signIn.login}
        name="username"
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        autoFocus={main && !login}
        size="md"
        value={login}
        error={missing.login}
        aria-invalid={missing.login ? true : undefined}
        onChange={event => onLogin(event.currentTarget.value)}
      />
      <Password
        ref={passwordField}
        label={text.signIn.password}
        name="password"
        autoComplete="current-password"
        autoFocus={main && Boolean(login)}
        size="md"
        value={password}
        error={missing.password ?? wrong}
        aria-invalid={(missing.password ?? wrong) ? true : undefined}
        onChange={event => setPassword(event.currentTarget.value)}
      />
      {method === "ssh" ? <OtherServer serverId={serverId} onServer={onServer} /> : null}
      {wait > 0 ? (
        <p className={classes.note} role="status">
          {text.signIn.wait(wait)}
        </p>
      ) : kind === "conversation-over" ? (
        <p className={classes.note} role="status">
          {text.conversation.over}
        </p>
      ) : error && kind !== "wrong-credentials" && kind !== "too-many-tries" ? (
        <ProblemView error={error} />
      ) : null}
      <Button
        type="submit"
        size="md"
        fullWidth
        variant={main ? "filled" : "light"}
        loading={signIn.isPending}
        disabled={wait > 0}
      >
        {text.signIn.submit}
      </Button>
    </form>
  );
}

/** Most sign in where they are: the field shows only to who asks for it. */
function OtherServer({ serverId, onServer }: { serverId: string; onServer: (serverId: string) => void }) {
  const [shown, setShown] = useState(serverId !== "");
  if (!shown) {
    return (
      <UnstyledButton className={classes.more} onClick={() => setShown(true)}>
        {text.signIn.otherServer}
      </UnstyledButton>
    );
  }
  return (
    <TextInput
      label={text.signIn.server}
      description={text.signIn.serverHint}
      autoFocus={!serverId}
      autoCapitalize="none"
      autoComplete="off"
      spellCheck={false}
      size="md"
      value={serverId}
      onChange={event => onServer(event.currentTarget.value)}
    />
  );
}

/** Seconds until the server takes another try. */
function useCountdown(error: unknown): number {
  const [left, setLeft] = useState(0);
  useEffect(() => {
    const limited = error instanceof ProblemError && error.problem.status === 429;
    if (!limited) return setLeft(0);
    const until = Date.now() + (error.retryAfter ?? 30) * 1000;
    const tick = () => setLeft(Math.max(0, Math.ceil((until - Date.now()) / 1000)));
    tick();
    const timer = setInterval(tick, 1000);
    return () => clearInterval(timer);
  }, [error]);
  return left;
}

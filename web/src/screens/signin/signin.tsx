/** Sign-in: the cluster's name, its message, and the two fields. */
import { Button, PasswordInput, Skeleton, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useRouter } from "@tanstack/react-router";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { api } from "../../api/client.ts";
import { ProblemError } from "../../api/problem.ts";
import { useStore } from "../../live/store.ts";
import { farewell, meQuery } from "../../me.ts";
import { text } from "../../text.ts";
import { Mark } from "../../ui/logo.tsx";
import { ProblemView } from "../../ui/problem.tsx";
import { usePageTitle } from "../../ui/title.ts";
import classes from "./signin.module.css";

const route = getRouteApi("/signin");

export function SignIn() {
  const reason = useStore(farewell, value => value);
  const info = useQuery({ queryKey: ["info"], queryFn: ({ signal }) => api.info(signal) });
  const cluster = info.data?.cluster ?? "";
  const title = text.signIn.title(cluster || text.product);
  usePageTitle(title);
  return (
    <main className={classes.page}>
      <div className={classes.card}>
        <Mark size={44} />
        {info.isPending ? (
          <Skeleton height={30} width="70%" my={2} />
        ) : (
          <h1 className={classes.title}>{title}</h1>
        )}
        {info.data?.message ? <p className={classes.message}>{info.data.message}</p> : null}
        {reason ? (
          <p className={classes.note} role="status">
            {reason}
          </p>
        ) : null}
        {info.isError ? (
          <ProblemView error={info.error} onRetry={() => void info.refetch()} />
        ) : info.data && !info.data.methods.includes("local") ? (
          <p className={classes.note}>
            {text.signIn.noMethod} {text.signIn.noMethodHint}
          </p>
        ) : (
          <LocalForm />
        )}
      </div>
    </main>
  );
}

function LocalForm() {
  const { to } = route.useSearch();
  const router = useRouter();
  const queries = useQueryClient();
  const loginField = useRef<HTMLInputElement>(null);
  const passwordField = useRef<HTMLInputElement>(null);
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  const [missing, setMissing] = useState<{ login?: string; password?: string }>({});
  const signIn = useMutation({
    mutationFn: () => api.signIn({ method: "local", login: login.trim(), password }),
    onSuccess: me => {
      farewell.set("");
      queries.setQueryData(meQuery.queryKey, me);
      router.history.push(to ?? "/");
    },
    onError: () => {
      setPassword("");
      passwordField.current?.focus();
    },
  });
  const wait = useCountdown(signIn.error);
  const kind = signIn.error instanceof ProblemError ? signIn.error.problem.type : "";
  const wrong = kind === "wrong-credentials" && !password ? text.signIn.wrong : undefined;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const lacks = {
      ...(login.trim() ? {} : { login: text.signIn.needLogin }),
      ...(password ? {} : { password: text.signIn.needPassword }),
    };
    setMissing(lacks);
    if (lacks.login) loginField.current?.focus();
    else if (lacks.password) passwordField.current?.focus();
    else signIn.mutate();
  };
  return (
    <form className={classes.form} onSubmit={submit} noValidate>
      <TextInput
        ref={loginField}
        label={text.signIn.login}
        name="username"
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        autoFocus
        size="md"
        value={login}
        error={missing.login}
        aria-invalid={missing.login ? true : undefined}
        onChange={event => setLogin(event.currentTarget.value)}
      />
      <PasswordInput
        ref={passwordField}
        label={text.signIn.password}
        name="password"
        autoComplete="current-password"
        size="md"
        value={password}
        error={missing.password ?? wrong}
        aria-invalid={(missing.password ?? wrong) ? true : undefined}
        onChange={event => setPassword(event.currentTarget.value)}
        visibilityToggleButtonProps={{ "aria-label": text.signIn.show, tabIndex: 0 }}
      />
      {wait > 0 ? (
        <p className={classes.note} role="status">
          {text.signIn.wait(wait)}
        </p>
      ) : signIn.isError && kind !== "wrong-credentials" && kind !== "too-many-tries" ? (
        <ProblemView error={signIn.error} />
      ) : null}
      <Button type="submit" size="md" fullWidth loading={signIn.isPending} disabled={wait > 0}>
        {text.signIn.submit}
      </Button>
    </form>
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

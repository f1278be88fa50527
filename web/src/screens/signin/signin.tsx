/** Sign-in: the cluster's name, its message, and the ways in that it offers, in its order. */
import { Button, Skeleton, UnstyledButton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { api } from "../../api/client.ts";
import type { Info } from "../../api/types.ts";
import { useStore } from "../../live/store.ts";
import { farewell } from "../../me.ts";
import { recall, remember } from "../../preferences.ts";
import { text } from "../../text.ts";
import { Mark } from "../../ui/logo.tsx";
import { ProblemView } from "../../ui/problem.tsx";
import { usePageTitle } from "../../ui/title.ts";
import { PasswordForm, type PasswordMethod } from "./password-form.tsx";
import classes from "./signin.module.css";

const route = getRouteApi("/signin");
const LAST_METHOD = "method";

export function SignIn() {
  const reason = useStore(farewell, value => value);
  const info = useQuery({ queryKey: ["info"], queryFn: ({ signal }) => api.info(signal) });
  const cluster = info.data?.cluster ?? "";
  const title = text.signIn.title(cluster || text.product);
  const failed = route.useSearch().refused;
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
        {reason || failed ? (
          <p className={classes.note} role="status">
            {reason || text.signIn.providerRefused}
          </p>
        ) : null}
        {info.isError ? (
          <ProblemView error={info.error} onRetry={() => void info.refetch()} />
        ) : (
          <Ways info={info.data} />
        )}
      </div>
    </main>
  );
}

const isPassword = (method: string): method is PasswordMethod => method === "local" || method === "ssh";

/** The password form stands there before the ways are known, so that typing can begin at once. */
function Ways({ info }: { info: Info | undefined }) {
  const methods = info?.methods ?? ["local"];
  const passwords = methods.filter(isPassword);
  const provider = methods.includes("oidc");
  const [chosen, setChosen] = useState(() => recall(LAST_METHOD));
  const [talking, setTalking] = useState(false);
  const method = passwords.find(each => each === chosen) ?? passwords[0];
  if (!method && !provider) {
    return (
      <p className={classes.note}>
        {text.signIn.noMethod} {text.signIn.noMethodHint}
      </p>
    );
  }
  const choose = (other: PasswordMethod) => {
    remember(LAST_METHOD, other);
    setChosen(other);
  };
  const others = passwords.filter(each => each !== method);
  const providerFirst = methods[0] === "oidc";
  const button = provider && !talking ? <ProviderButton info={info} main={providerFirst} /> : null;
  const or = button && method ? <p className={classes.or}>{text.signIn.or}</p> : null;
  return (
    <>
      {providerFirst ? button : null}
      {providerFirst ? or : null}
      {method ? (
        <PasswordForm
          // Not by method: what was typed before the ways are known must stay.
          key={chosen || "first"}
          method={method}
          alone={passwords.length === 1 && !provider}
          main={!providerFirst}
          onTalk={setTalking}
        />
      ) : null}
      {talking
        ? null
        : others.map(other => (
            <UnstyledButton key={other} className={classes.more} onClick={() => choose(other)}>
              {text.signIn.instead[other]}
            </UnstyledButton>
          ))}
      {providerFirst ? null : or}
      {providerFirst ? null : button}
    </>
  );
}

function ProviderButton({ info, main }: { info: Info | undefined; main: boolean }) {
  const { to } = route.useSearch();
  return (
    <Button
      component="a"
      href={api.providerAddress(to ?? "/")}
      size="md"
      fullWidth
      variant={main ? "filled" : "default"}
    >
      {text.signIn.with(info?.oidc?.title || text.signIn.provider)}
    </Button>
  );
}

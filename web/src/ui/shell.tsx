/** What surrounds the screens: name, the few ways to go, the account. */
import { Menu, UnstyledButton } from "@mantine/core";
import {
  IconChevronDown,
  IconHelp,
  IconKey,
  IconLogout,
  IconServer,
  IconSettings,
  IconStack2,
} from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useLocation, useNavigate } from "@tanstack/react-router";
import { lazy, useState } from "react";
import { api } from "../api/client.ts";
import { toProblem } from "../api/problem.ts";
import { leave, useMe } from "../me.ts";
import { text } from "../text.ts";
import { Lazily } from "./lazily.tsx";
import { LineBanner } from "./line-banner.tsx";
import { Mark } from "./logo.tsx";
import { refuse } from "./say.ts";
import classes from "./shell.module.css";

const About = lazy(() => import("./about.tsx").then(module => ({ default: module.About })));

export function Shell() {
  const me = useMe();
  const manages = me.role !== "user";
  return (
    <>
      <a className="skip" href="#content">
        {text.common.skip}
      </a>
      <header className={classes.header}>
        <div className={classes.inner}>
          <Link to="/" className={classes.brand} aria-label={me.cluster || text.product}>
            <Mark />
            <span className={classes.cluster}>{me.cluster || text.product}</span>
          </Link>
          {manages ? (
            <nav aria-label={text.shell.navigation} className={classes.nav}>
              <Link to="/" activeOptions={{ exact: true }} className={classes.link}>
                <IconStack2 size={18} stroke={1.7} aria-hidden />
                <span>{text.shell.sessions}</span>
              </Link>
              <Link to="/manage" className={classes.link}>
                <IconServer size={18} stroke={1.7} aria-hidden />
                <span>{text.shell.manage}</span>
              </Link>
              {me.role === "admin" ? <SystemLink /> : null}
            </nav>
          ) : null}
          <Account />
        </div>
      </header>
      <main id="content" className={classes.main} tabIndex={-1}>
        <Outlet />
      </main>
      <LineBanner />
    </>
  );
}

/** Hidden where the server has no settings of its own. */
function SystemLink() {
  const settings = useQuery({
    queryKey: ["has-system"],
    queryFn: ({ signal }) => api.system("global", signal).then(() => true),
    staleTime: Number.POSITIVE_INFINITY,
  });
  // Its two scopes are two addresses: both are this part of the client.
  const here = useLocation({ select: ({ pathname }) => pathname.startsWith("/system") });
  if (settings.isPending || (settings.isError && toProblem(settings.error).status === 404)) return null;
  return (
    <Link
      to="/system/$scope"
      params={{ scope: "global" }}
      className={classes.link}
      aria-current={here ? "page" : undefined}
    >
      <IconSettings size={18} stroke={1.7} aria-hidden />
      <span>{text.shell.system}</span>
    </Link>
  );
}

function Account() {
  const me = useMe();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [about, setAbout] = useState(false);
  const signOut = useMutation({
    mutationFn: api.signOut,
    onSuccess: () => leave(queries, () => navigate({ to: "/signin" })),
    onError: refuse,
  });
  return (
    <>
      <Menu>
        <Menu.Target>
          <UnstyledButton className={classes.account} aria-label={text.shell.account(me.login)}>
            <span className={classes.avatar} aria-hidden>
              {me.login.charAt(0).toUpperCase()}
            </span>
            <span className={classes.login}>{me.login}</span>
            <IconChevronDown size={14} aria-hidden />
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>{text.shell.role[me.role]}</Menu.Label>
          <Menu.Item
            renderRoot={props => <Link to="/account/tokens" {...props} />}
            leftSection={<IconKey size={16} aria-hidden />}
          >
            {text.shell.tokens}
          </Menu.Item>
          <Menu.Item leftSection={<IconHelp size={16} aria-hidden />} onClick={() => setAbout(true)}>
            {text.shell.help}
          </Menu.Item>
          <Menu.Item leftSection={<IconLogout size={16} aria-hidden />} onClick={() => signOut.mutate()}>
            {text.shell.signOut}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Lazily opened={about}>
        <About opened={about} onClose={() => setAbout(false)} />
      </Lazily>
    </>
  );
}

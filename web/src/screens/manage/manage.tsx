/** What managers see: servers, everybody's sessions, users and their tokens. */
import { Outlet } from "@tanstack/react-router";
import { useMe } from "../../me.ts";
import { text } from "../../text.ts";
import { Empty } from "../../ui/empty.tsx";
import { Tabs } from "../../ui/tabs.tsx";

const TABS = [
  { to: "/manage/servers", label: text.servers.title },
  { to: "/manage/sessions", label: text.allSessions.title },
  { to: "/manage/users", label: text.users.title },
] as const;

export function Manage() {
  const me = useMe();
  if (me.role === "user")
    return <Empty whole title={text.manage.notAllowed} hint={text.servers.notAllowedHint} />;
  return (
    <>
      <Tabs label={text.shell.manage} tabs={TABS} />
      <Outlet />
    </>
  );
}

/** Manage › Users: who is signed in or has sessions; for administrators with their tokens. */
import { useQuery } from "@tanstack/react-query";
import { api } from "../../api/client.ts";
import type { Token, User } from "../../api/types.ts";
import { useMe } from "../../me.ts";
import { text } from "../../text.ts";
import { type Column, Listing } from "../../ui/listing.tsx";
import { usePageTitle } from "../../ui/title.ts";
import { When } from "../../ui/when.tsx";
import { tokenColumns } from "../account/token-columns.tsx";
import { TokenMenu, tokensQuery } from "../account/tokens.tsx";
import classes from "./all-sessions.module.css";

const words = text.users;

const COLUMNS: readonly Column<User>[] = [
  { key: "login", label: words.columns.login, value: ({ login }) => login, cell: ({ login }) => login },
  {
    key: "sessions",
    label: words.columns.sessions,
    figure: true,
    value: ({ sessions }) => sessions,
    cell: ({ sessions }) => sessions,
  },
  {
    key: "tokens",
    label: words.columns.tokens,
    figure: true,
    value: ({ tokens }) => tokens,
    cell: ({ tokens }) => tokens,
  },
  {
    key: "lastSignIn",
    label: words.columns.lastSignIn,
    value: ({ lastSignIn }) => lastSignIn ?? "",
    cell: ({ lastSignIn }) => (lastSignIn ? <When at={lastSignIn} /> : text.common.never),
  },
];
const TOKEN_COLUMNS = tokenColumns(true);
const loginOf = (user: User) => user.login;
const tokenId = (token: Token) => token.id;

export function Users() {
  usePageTitle(words.pageTitle);
  const me = useMe();
  const users = useQuery({
    queryKey: ["users"],
    queryFn: ({ signal }) => api.users(signal),
    staleTime: 0,
    refetchOnWindowFocus: true,
  });
  return (
    <>
      <Listing
        title={words.title}
        filter={words.filter}
        columns={COLUMNS}
        rows={users.data?.users}
        error={users.error}
        onRetry={() => void users.refetch()}
        id={loginOf}
        order={{ key: "login", down: false }}
        empty={{ title: words.empty, hint: words.emptyHint }}
        file="users"
      />
      {me.role === "admin" ? <TokensOfAll /> : null}
    </>
  );
}

function TokensOfAll() {
  const tokens = useQuery(tokensQuery(true));
  return (
    <div className={classes.tokens}>
      <Listing
        part
        title={words.tokens}
        hint={words.tokensHint}
        filter={text.tokens.filter}
        columns={TOKEN_COLUMNS}
        rows={tokens.data?.tokens}
        error={tokens.error}
        onRetry={() => void tokens.refetch()}
        id={tokenId}
        order={{ key: "issued", down: true }}
        empty={{ title: text.tokens.empty, hint: words.emptyHint }}
        file="tokens"
        actions={token => <TokenMenu token={token} />}
      />
    </div>
  );
}

/** Where the reader is signed in, and the tokens of their programs. */
import { ActionIcon, Button, Menu } from "@mantine/core";
import { IconDots, IconPencil, IconPlus, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "../../api/client.ts";
import type { Token } from "../../api/types.ts";
import { text } from "../../text.ts";
import { Lazily } from "../../ui/lazily.tsx";
import { Listing } from "../../ui/listing.tsx";
import { usePageTitle } from "../../ui/title.ts";
import { nameOf, tokenColumns } from "./token-columns.tsx";
import { NewTokenDialog, RenameTokenDialog, RevokeDialog } from "./token-dialogs.tsx";
import classes from "./tokens.module.css";

const words = text.tokens;

/** Sign-ins elsewhere come and go without telling this page: it asks when it is looked at. */
export const tokensQuery = (all: boolean) => ({
  queryKey: ["tokens", all ? "all" : "mine"],
  queryFn: ({ signal }: { signal: AbortSignal }) => api.tokens(all, signal),
  staleTime: 0,
  refetchOnWindowFocus: true,
});

const COLUMNS = tokenColumns(false);
const idOf = (token: Token) => token.id;

export function MyTokens() {
  usePageTitle(words.title);
  const tokens = useQuery(tokensQuery(false));
  const [creating, setCreating] = useState(false);
  return (
    <>
      <Listing
        title={words.title}
        hint={words.hint}
        tools={
          <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
            {words.create}
          </Button>
        }
        filter={words.filter}
        columns={COLUMNS}
        rows={tokens.data?.tokens}
        error={tokens.error}
        onRetry={() => void tokens.refetch()}
        id={idOf}
        order={{ key: "issued", down: true }}
        empty={{ title: words.empty, hint: words.hint }}
        actions={token => <TokenMenu token={token} />}
      />
      <Lazily opened={creating}>
        <NewTokenDialog opened={creating} onClose={() => setCreating(false)} />
      </Lazily>
    </>
  );
}

export function TokenMenu({ token }: { token: Token }) {
  const [dialog, setDialog] = useState<"rename" | "revoke">();
  const close = () => setDialog(undefined);
  return (
    <>
      <Menu>
        <Menu.Target>
          <ActionIcon variant="subtle" size={36} aria-label={words.menu(nameOf(token))}>
            <IconDots size={18} aria-hidden />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {/* A name is the owner's: administrators of others' tokens only revoke. */}
          {token.login ? null : (
            <Menu.Item leftSection={<IconPencil size={16} aria-hidden />} onClick={() => setDialog("rename")}>
              {words.rename}
            </Menu.Item>
          )}
          <Menu.Item
            className={classes.danger ?? ""}
            leftSection={<IconTrash size={16} aria-hidden />}
            onClick={() => setDialog("revoke")}
          >
            {token.current ? text.shell.signOut : words.revoke}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Lazily opened={dialog === "rename"}>
        <RenameTokenDialog token={token} opened={dialog === "rename"} onClose={close} />
      </Lazily>
      <Lazily opened={dialog === "revoke"}>
        <RevokeDialog token={token} opened={dialog === "revoke"} onClose={close} />
      </Lazily>
    </>
  );
}

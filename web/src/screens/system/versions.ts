/** What a version of the settings says about itself, and what becomes of it when it is taken again. */
import type { Document, SystemVersion } from "../../api/types.ts";
import { text } from "../../text.ts";

/** Who made a version, for `login` to read; `hostname` is that of the server that joined, where it is known. */
export function madeBy(
  { via, by }: Pick<SystemVersion, "via" | "by">,
  login: string,
  hostname?: string,
): string {
  const who = text.system.history.who;
  switch (via) {
    case "administrator":
      if (!by) return who.someAdministrator;
      return by === login ? who.you(by) : who.administrator(by);
    case "kubernetes":
      return by ? who.kubernetes(by) : who.someKubernetes;
    case "manager":
      return who.manager;
    case "join":
      return by ? who.join(hostname ?? by) : who.someJoin;
    default:
      // Also what only a newer server knows.
      return who.unknown;
  }
}

/** Who holds the settings is no part of what one goes back to: a server takes no other word on it. */
export function takenAgain(earlier: Document, present: Document): Document {
  const { managedBy: _former, ...others } = earlier;
  return "managedBy" in present ? { ...others, managedBy: present.managedBy } : others;
}

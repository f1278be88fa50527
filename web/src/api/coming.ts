/** Documents of the API that the OpenAPI document does not hold yet; each moves to `schema.ts` once it does. */

/** A question of a sign-in, in the words of whoever asks. */
export interface Prompt {
  text: string;
  /** Whether the answer may be seen while it is typed. */
  echo: boolean;
}

/** A sign-in that is not over: it goes on with the answers. */
export interface Conversation {
  id: string;
  title: string;
  instruction: string;
  prompts: Prompt[];
  expires: string;
}

/** What `GET /info` says of the ways to sign in, beyond their names. */
export interface MoreInfo {
  oidc?: { title: string } | null;
}

/** What a sign-in may say beyond login and password. */
export interface MoreSignIn {
  /** Another server of the cluster whose account is meant; only with `ssh`. */
  serverId?: string;
}

/** Members that `authentication-required` adds to its problem. */
export interface MoreProblem {
  serverId?: string;
  login?: string;
}

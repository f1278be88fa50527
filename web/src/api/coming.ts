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

/** A sign-in or a program's token that counts. */
export interface Token {
  id: string;
  label: string;
  /** `local`, `ssh`, `oidc`, or `program`. */
  method: string;
  address: string;
  /** Server that issued it. */
  issuer: string;
  issued: string;
  expires: string;
  /** Whether the request came with it. */
  current: boolean;
  /** Whose it is; only where tokens of others are listed. */
  login?: string;
}

export interface Tokens {
  tokens: Token[];
}

export interface NewToken {
  /** Shown once. */
  token: string;
  id: string;
}

/** Somebody who signed in or has sessions. */
export interface User {
  login: string;
  tokens: number;
  sessions: number;
  lastSignIn?: string | null;
}

export interface Users {
  users: User[];
}

/** What tests may turn in the pretended cluster. */
export interface Faults {
  refuse: string | undefined;
  cut: boolean;
  tries: number;
  direct: "open" | "refused" | "silent" | "unreachable";
  relay: "open" | "refused" | "silent" | "unreachable";
  ssh: "plain" | "code" | "several" | "host-key";
  unlinked: string[];
  noSystem: boolean;
}
export interface Version {
  generation: number;
  at?: string;
  via: string;
  by: string;
  /** Absent in the version that is in force. */
  document?: Record<string, unknown>;
}
export interface Mock {
  url: string;
  faults: Faults;
  startDelay: number;
  methods: string[];
  state: {
    conversations: Map<string, unknown>;
    system: {
      generation: number;
      managedBy: { global: string; local: string };
      global: Record<string, unknown>;
      local: Record<string, unknown>;
      history: Record<"global" | "local", Version[]>;
    };
  };
  log: {
    logins: { method: string; login: string; password?: string; serverId?: string }[];
    keys: number[];
    clipboard: string[];
    sizes: string[];
    /** Each attempt to open a display, by its way. */
    dialled: string[];
    opened: { way: string; session: string; mode: string }[];
    starts: { key: string; application?: string; command?: string; geometry?: string; profile?: string }[];
  };
  streams: Set<unknown>;
  putSession(part: Record<string, unknown>): { id: string };
  removeSession(id: string): void;
  putServer(serverId: string, part: Record<string, unknown>): void;
  removeServer(serverId: string): void;
  session(id: string): { state: string; shares: unknown[]; viewers: number } | undefined;
  look(id: string, ...viewers: string[]): void;
  warn(id: string, minutes: number, text: string): void;
  endSession(id: string, reason?: string): void;
  cut(): void;
  restore(): void;
  forget(): void;
  closeDisplays(code: number, reason: string, id?: string): void;
  cutDisplays(): void;
  copyInSession(words: string): void;
  signIn(login: string): string;
  signOut(reason: string): void;
  stop(): Promise<void>;
}
export function createMock(options?: {
  port?: number;
  empty?: boolean;
  startDelay?: number;
  methods?: string[];
  display?: string;
}): Promise<Mock>;

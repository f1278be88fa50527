/** From the fields of the start screen to the request. */
import type { StartRequest } from "../../api/types.ts";

export const FIXED_SIZES = ["1280x800", "1600x900", "1920x1080", "2560x1440", "3840x2160"] as const;

export interface StartForm {
  /** Empty for a command. */
  application: string;
  command: string;
  size: "fit" | "fixed";
  resolution: string;
  name: string;
  /** Empty for the application's own. */
  profile: string;
  /** Empty lets the cluster choose. */
  serverId: string;
}

interface Room {
  width: number;
  height: number;
}

/** Marks a session whose size was chosen, so that a window shows it scaled instead of resizing it. */
export const FIXED_SIZE_PARAM = "size";

/** X wants an even width for some encoders, and nothing absurdly small. */
const SMALLEST: Room = { width: 640, height: 400 };

function geometry({ width, height }: Room): string {
  const even = Math.max(SMALLEST.width, Math.floor(width / 2) * 2);
  return `${even}x${Math.max(SMALLEST.height, Math.floor(height))}`;
}

export function requestOf(form: StartForm, room: Room): StartRequest {
  const name = form.name.trim();
  return {
    ...(form.application ? { application: form.application } : { command: form.command.trim() }),
    ...(name ? { name } : {}),
    ...(form.profile ? { profile: form.profile } : {}),
    ...(form.serverId ? { serverId: form.serverId } : {}),
    ...(form.size === "fixed"
      ? { geometry: form.resolution, params: { [FIXED_SIZE_PARAM]: "fixed" } }
      : { geometry: geometry(room) }),
  };
}

/** An application as it comes, in the size of the window. */
export function plainStart(application: string): StartForm {
  return { application, command: "", size: "fit", resolution: "", name: "", profile: "", serverId: "" };
}

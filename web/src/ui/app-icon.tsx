/** The icon of an application by the name that the configuration gives it. */
import {
  IconAppWindow,
  IconBrowser,
  IconCode,
  IconDeviceDesktop,
  IconTerminal2,
  IconTool,
  type TablerIcon,
} from "@tabler/icons-react";

const ICONS: Record<string, TablerIcon | undefined> = {
  desktop: IconDeviceDesktop,
  terminal: IconTerminal2,
  browser: IconBrowser,
  editor: IconCode,
  tool: IconTool,
};

export function AppIcon({ icon, size = 22 }: { icon: string | undefined; size?: number }) {
  const Icon = ICONS[icon ?? ""] ?? IconAppWindow;
  return <Icon size={size} stroke={1.6} aria-hidden />;
}

/** Names the page for tabs, history and screen readers. */
import { useEffect } from "react";
import { text } from "../text.ts";

export function usePageTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · ${text.product}` : text.product;
  }, [title]);
}

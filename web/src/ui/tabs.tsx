/** The pages of one part of the client, side by side. */
import { Link } from "@tanstack/react-router";
import classes from "./tabs.module.css";

interface Props {
  label: string;
  tabs: readonly { to: string; label: string }[];
}

export function Tabs({ label, tabs }: Props) {
  return (
    <nav aria-label={label} className={classes.tabs}>
      {tabs.map(tab => (
        <Link key={tab.to} to={tab.to} className={classes.tab}>
          {tab.label}
        </Link>
      ))}
    </nav>
  );
}

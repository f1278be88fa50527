/** Says why there is nothing here and what the next step is. */
import type { ReactNode } from "react";
import classes from "./empty.module.css";

interface Props {
  title: string;
  hint?: string;
  /** Whether it is all that the page has to say. */
  whole?: boolean;
  children?: ReactNode;
}

export function Empty({ title, hint, whole = false, children }: Props) {
  return (
    <div className={classes.empty}>
      {whole ? <h1>{title}</h1> : <h2>{title}</h2>}
      {hint ? <p>{hint}</p> : null}
      {children ? <div className={classes.next}>{children}</div> : null}
    </div>
  );
}

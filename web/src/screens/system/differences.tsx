/** What differs between two settings documents, each path with both values. */
import { text } from "../../text.ts";
import { type Change, told } from "./changes.ts";
import classes from "./differences.module.css";

const words = text.system;

export function Differences({ changes }: { changes: readonly Change[] }) {
  return (
    <ul className={classes.changes}>
      {changes.map(change => (
        <Difference key={change.path.join("/")} change={change} />
      ))}
    </ul>
  );
}

function Difference({ change }: { change: Change }) {
  const names: Record<string, string | undefined> = words.names;
  const path = change.path.map(each => names[each] ?? each).join(" › ");
  const [before, after] = [told(change.before), told(change.after)];
  return (
    <li>
      <p>{path}</p>
      {before ? (
        <del>
          <span className="hidden">{words.was} </span>
          {before}
        </del>
      ) : null}
      {after ? (
        <ins>
          <span className="hidden">{words.is} </span>
          {after}
        </ins>
      ) : (
        <ins data-none>{words.nothing}</ins>
      )}
    </li>
  );
}

/** A small picture of a session's screen, renewed while the card can be seen. */
import type { Session } from "../../api/types.ts";
import { text } from "../../text.ts";
import { AppIcon } from "../../ui/app-icon.tsx";
import classes from "./picture.module.css";
import { useScreenshot } from "./use-screenshot.ts";

interface Props {
  session: Session;
  shown: boolean;
  icon: string | undefined;
}

export function Picture({ session, shown, icon }: Props) {
  const alive = session.state === "running";
  const { place, url } = useScreenshot(session.id, session.version, shown && alive);
  return (
    <div ref={place} className={classes.place}>
      {shown && url ? (
        <img
          src={url}
          alt=""
          className={classes.image}
          data-faded={alive ? undefined : true}
          draggable={false}
        />
      ) : (
        <span className={classes.none}>
          <AppIcon icon={icon} size={34} />
          {shown ? null : <span className="hidden">{text.session.hiddenPicture}</span>}
        </span>
      )}
    </div>
  );
}

/** A password that can be shown while it is typed. */
import { PasswordInput, type PasswordInputProps } from "@mantine/core";
import { type Ref, useState } from "react";
import { text } from "../text.ts";

export function Password(props: PasswordInputProps & { ref?: Ref<HTMLInputElement> }) {
  const [shown, setShown] = useState(false);
  return (
    <PasswordInput
      {...props}
      visible={shown}
      onVisibilityChange={setShown}
      visibilityToggleButtonProps={{
        "aria-label": shown ? text.signIn.hide : text.signIn.show,
        tabIndex: 0,
      }}
    />
  );
}

/** The component library in our colours; all of them are static style sheets, none is written at run time. */
import { createTheme, type VariantColorsResolver } from "@mantine/core";
import classes from "./theme.module.css";

const clear = "1px solid transparent";

const variantColorResolver: VariantColorsResolver = ({ variant, color }) => {
  const tone = color === "red" ? "danger" : "accent";
  switch (variant) {
    case "filled":
      return {
        background: `var(--${tone}-fill)`,
        hover: `var(--${tone}-fill-hover)`,
        color: `var(--${tone}-on)`,
        border: clear,
      };
    case "light":
      return {
        background: `var(--${tone}-soft)`,
        hover: `var(--${tone}-soft-hover)`,
        color: tone === "danger" ? "var(--danger)" : "var(--accent-soft-text)",
        border: clear,
      };
    case "subtle":
      return {
        background: "transparent",
        hover: "var(--hover)",
        color: color === "red" ? "var(--danger)" : "var(--text)",
        border: clear,
      };
    default:
      return {
        background: "var(--surface)",
        hover: "var(--hover)",
        color: "var(--text)",
        border: "1px solid var(--line)",
      };
  }
};

const field = {
  input: classes.input ?? "",
  label: classes.label ?? "",
  description: classes.description ?? "",
};

export const theme = createTheme({
  respectReducedMotion: true,
  cursorType: "pointer",
  defaultRadius: "sm",
  primaryColor: "blue",
  variantColorResolver,
  components: {
    // Plain values: naming the components here would load them all with the first screen.
    Button: { classNames: { root: classes.button ?? "" } },
    ActionIcon: {
      defaultProps: { variant: "subtle", size: "lg" },
      classNames: { root: classes.iconButton ?? "" },
    },
    TextInput: { classNames: field },
    NativeSelect: { classNames: field },
    PasswordInput: { classNames: field },
    SegmentedControl: {
      classNames: {
        root: classes.segments ?? "",
        indicator: classes.segment ?? "",
        label: classes.segmentLabel ?? "",
      },
    },
    Switch: { classNames: { track: classes.track ?? "", description: classes.beside ?? "" } },
    Modal: {
      defaultProps: {
        centered: true,
        // The library would lock scrolling with a style tag, which the page's policy bars; base.css does it.
        lockScroll: false,
        // Its <header> is no landmark of the page.
        attributes: { header: { role: "presentation" } },
        transitionProps: { duration: 120, transition: "fade" },
        overlayProps: { backgroundOpacity: 0.45, color: "#0b0f0e" },
      },
      classNames: {
        content: classes.modal ?? "",
        header: classes.modalHeader ?? "",
        title: classes.modalTitle ?? "",
      },
    },
    Menu: {
      defaultProps: { position: "bottom-end", shadow: "md", transitionProps: { duration: 80 } },
      classNames: {
        dropdown: classes.menu ?? "",
        item: classes.menuItem ?? "",
        label: classes.menuLabel ?? "",
      },
    },
    Popover: {
      defaultProps: { shadow: "md", transitionProps: { duration: 80 } },
      classNames: { dropdown: classes.popover ?? "" },
    },
    Tooltip: {
      defaultProps: {
        openDelay: 400,
        transitionProps: { duration: 80 },
        events: { hover: true, focus: true, touch: false },
      },
      classNames: { tooltip: classes.tooltip ?? "" },
    },
  },
});

/** The slim bar over the desktop: hides by itself, at the edge that the reader chose. */
import "../../styles/controls.css";
import { ActionIcon, Button, Popover, SegmentedControl, Switch, Tooltip } from "@mantine/core";
import {
  IconActivity,
  IconAppWindow,
  IconArrowsMaximize,
  IconArrowsMinimize,
  IconChevronDown,
  IconChevronLeft,
  IconChevronRight,
  IconChevronUp,
  IconClipboard,
  IconKeyboard,
  IconPlugX,
  IconPower,
  IconScreenShare,
  IconUsers,
  type TablerIcon,
} from "@tabler/icons-react";
import { type ReactNode, type RefObject, useEffect, useId, useRef, useState } from "react";
import type { Candidate } from "../../api/types.ts";
import { COMBINATIONS } from "../../display/keys.ts";
import type { Fit, Look, Quality, Viewer } from "../../display/viewer.ts";
import { text } from "../../text.ts";
import classes from "./bar.module.css";
import { ClipboardPanel } from "./clipboard-panel.tsx";
import panels from "./panels.module.css";
import { Statistics } from "./statistics.tsx";
import type { SharedClipboard } from "./use-clipboard.ts";
import { canCapture, useFullScreen } from "./use-full-screen.ts";

export const EDGES = ["top", "bottom", "left", "right"] as const;
export type Edge = (typeof EDGES)[number];

interface Props {
  title: string;
  /** Of this page, for a second window. */
  address: string;
  viewer: RefObject<Viewer | undefined>;
  live: boolean;
  candidate: Candidate | undefined;
  look: Look;
  edge: Edge;
  capture: boolean;
  clipboard: SharedClipboard;
  /** Which way text may go: `off`, `in`, `out`, `both`. */
  clipboardRule: string;
  /** Shared with the reader to look at. */
  onlyLook: boolean;
  /** How many are connected, the reader too. */
  here: number;
  shown: boolean;
  onShown: (shown: boolean) => void;
  onLook: (look: Partial<Look>) => void;
  onEdge: (edge: Edge) => void;
  onCapture: (on: boolean) => void;
  onTouchKeyboard: () => void;
  onDisconnect: () => void;
  onShare: () => void;
  /** Only for whoever may end it. */
  onEnd?: () => void;
}

/** How long the bar stays after the pointer has left it. */
const LINGER_MS = 2_500;
const coarse = window.matchMedia("(pointer: coarse)").matches;

export function Bar(props: Props) {
  const { title, live, edge, shown, onShown, viewer } = props;
  const place = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<string>();
  const [held, setHeld] = useState(false);
  const stays = !live || held || open !== undefined;

  useEffect(() => {
    if (!shown || stays) return;
    const timer = setTimeout(() => onShown(false), LINGER_MS);
    return () => clearTimeout(timer);
  }, [shown, stays, onShown]);

  useEffect(() => {
    // Before anything else sees it: tooltips take the key for themselves.
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || !place.current?.contains(document.activeElement)) return;
      event.stopPropagation();
      if (open !== undefined) return setOpen(undefined);
      if (!live) return;
      onShown(false);
      viewer.current?.focus();
    };
    window.addEventListener("keydown", onKeyDown, true);
    return () => window.removeEventListener("keydown", onKeyDown, true);
  }, [open, live, onShown, viewer]);
  const hold = () => setHeld(true);
  const release = () => setHeld(place.current?.contains(document.activeElement) ?? false);

  if (!shown && live) {
    return (
      <button
        type="button"
        className={classes.handle}
        data-edge={edge}
        aria-label={text.desktop.showBar}
        onPointerEnter={event => event.pointerType === "mouse" && onShown(true)}
        onClick={() => onShown(true)}
      >
        <span aria-hidden />
      </button>
    );
  }
  return (
    <div
      ref={place}
      className={classes.bar}
      data-edge={edge}
      role="toolbar"
      aria-label={text.desktop.bar}
      aria-orientation={edge === "left" || edge === "right" ? "vertical" : "horizontal"}
      onPointerEnter={hold}
      onPointerLeave={release}
      onFocus={hold}
      onBlur={event => setHeld(event.currentTarget.contains(event.relatedTarget))}
    >
      <p className={classes.title}>{title}</p>
      <Items {...props} open={open} setOpen={setOpen} />
    </div>
  );
}

interface ItemsProps extends Props {
  open: string | undefined;
  setOpen: (name: string | undefined) => void;
}

function Items(props: ItemsProps) {
  const { viewer, live, candidate, look, capture, clipboard, onShown, onDisconnect, onShare, onEnd } = props;
  const words = text.desktop;
  const full = useFullScreen(capture);
  const panel = { edge: props.edge, open: props.open, setOpen: props.setOpen };
  return (
    <>
      <Panel {...panel} name={words.view} icon={IconScreenShare}>
        <ViewPanel {...props} />
      </Panel>
      <Panel {...panel} name={words.clipboard} icon={IconClipboard} disabled={!live}>
        <ClipboardPanel clipboard={clipboard} rule={props.clipboardRule} canSend={live && !look.viewOnly} />
      </Panel>
      <Panel {...panel} name={words.keys} icon={IconKeyboard} disabled={!live || look.viewOnly}>
        <KeysPanel {...props} />
      </Panel>
      <Panel {...panel} name={words.statistics} icon={IconActivity} disabled={!live}>
        <div className={panels.panel}>
          <Statistics viewer={viewer} candidate={candidate} />
        </div>
      </Panel>
      <Item
        edge={props.edge}
        label={text.sharing.open}
        icon={IconUsers}
        {...(props.here > 1 ? { count: props.here } : {})}
        onClick={onShare}
      />
      {full.possible ? (
        <Item
          edge={props.edge}
          label={full.on ? words.leaveFullScreen : words.fullScreen}
          icon={full.on ? IconArrowsMinimize : IconArrowsMaximize}
          onClick={full.toggle}
        />
      ) : null}
      <span className={classes.gap} aria-hidden />
      <Item edge={props.edge} label={words.disconnect} icon={IconPlugX} onClick={onDisconnect} />
      {onEnd ? <Item edge={props.edge} label={words.end} icon={IconPower} danger onClick={onEnd} /> : null}
      {live ? (
        <Item
          edge={props.edge}
          label={words.hideBar}
          icon={CHEVRON[props.edge]}
          onClick={() => {
            onShown(false);
            viewer.current?.focus();
          }}
        />
      ) : null}
    </>
  );
}

const CHEVRON: Record<Edge, TablerIcon> = {
  top: IconChevronUp,
  bottom: IconChevronDown,
  left: IconChevronLeft,
  right: IconChevronRight,
};

const AWAY: Record<Edge, "bottom" | "top" | "right" | "left"> = {
  top: "bottom",
  bottom: "top",
  left: "right",
  right: "left",
};

interface ItemProps {
  edge: Edge;
  label: string;
  icon: TablerIcon;
  danger?: boolean;
  count?: number;
  onClick: () => void;
}

function Item({ edge, label, icon: Icon, danger = false, count, onClick }: ItemProps) {
  return (
    <Tooltip label={label} position={AWAY[edge]}>
      <ActionIcon
        aria-label={count ? `${label}, ${count}` : label}
        size={36}
        {...(danger ? { color: "red" } : {})}
        onClick={onClick}
      >
        <Icon size={19} stroke={1.7} aria-hidden />
        {count ? (
          <span className={classes.count} aria-hidden>
            {count}
          </span>
        ) : null}
      </ActionIcon>
    </Tooltip>
  );
}

interface PanelProps {
  edge: Edge;
  name: string;
  icon: TablerIcon;
  disabled?: boolean;
  open: string | undefined;
  setOpen: (name: string | undefined) => void;
  children: ReactNode;
}

function Panel({ edge, name, icon: Icon, disabled = false, open, setOpen, children }: PanelProps) {
  const opened = open === name && !disabled;
  return (
    <Popover
      opened={opened}
      onChange={next => setOpen(next ? name : undefined)}
      position={AWAY[edge]}
      trapFocus
      returnFocus
      withinPortal={false}
      closeOnEscape={false}
    >
      <Popover.Target>
        <Tooltip label={name} position={AWAY[edge]} disabled={opened}>
          <ActionIcon
            aria-label={name}
            size={36}
            disabled={disabled}
            data-open={opened || undefined}
            className={classes.item}
            onClick={() => setOpen(opened ? undefined : name)}
          >
            <Icon size={19} stroke={1.7} aria-hidden />
          </ActionIcon>
        </Tooltip>
      </Popover.Target>
      <Popover.Dropdown aria-label={name}>{children}</Popover.Dropdown>
    </Popover>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  options: Record<T, string>;
  onChange: (value: T) => void;
}

function Choice<T extends string>({ label, value, options, onChange }: ChoiceProps<T>) {
  const id = useId();
  return (
    <div className={panels.field}>
      <span id={id} className={panels.label}>
        {label}
      </span>
      <SegmentedControl
        aria-labelledby={id}
        fullWidth
        size="xs"
        data={(Object.keys(options) as T[]).map(each => ({ value: each, label: options[each] }))}
        value={value}
        onChange={next => onChange(next as T)}
      />
    </div>
  );
}

function ViewPanel({ address, look, edge, onlyLook, onLook, onEdge }: Props) {
  const words = text.desktop;
  return (
    <div className={panels.panel}>
      <Choice<Fit>
        label={words.fit}
        value={look.fit}
        options={words.fits}
        onChange={fit => onLook({ fit })}
      />
      <Choice<Quality>
        label={words.quality}
        value={look.quality}
        options={words.qualities}
        onChange={quality => onLook({ quality })}
      />
      <Choice<Edge> label={words.barPosition} value={edge} options={words.edges} onChange={onEdge} />
      <Switch
        label={words.viewOnly}
        checked={look.viewOnly}
        disabled={onlyLook}
        {...(onlyLook ? { description: text.sharing.viewOnly } : {})}
        onChange={event => onLook({ viewOnly: event.currentTarget.checked })}
      />
      <div className={panels.field}>
        <Button
          component="a"
          href={address}
          target="_blank"
          rel="noreferrer"
          variant="default"
          size="compact-sm"
          leftSection={<IconAppWindow size={14} aria-hidden />}
        >
          {words.secondWindow}
        </Button>
        <p className={panels.hint}>{words.secondWindowHint}</p>
      </div>
    </div>
  );
}

function KeysPanel({ viewer, capture, onCapture, onTouchKeyboard, setOpen }: ItemsProps) {
  const words = text.desktop;
  return (
    <div className={panels.panel}>
      <div className={panels.keys}>
        {COMBINATIONS.map(combination => (
          <Button
            key={combination.label}
            variant="default"
            size="compact-sm"
            onClick={() => viewer.current?.press(combination)}
          >
            {combination.label}
          </Button>
        ))}
      </div>
      {coarse ? (
        <Button
          variant="light"
          size="compact-sm"
          onClick={() => {
            setOpen(undefined);
            onTouchKeyboard();
          }}
        >
          {words.keyboard}
        </Button>
      ) : null}
      {canCapture ? (
        <Switch
          label={words.capture}
          description={words.captureHint}
          checked={capture}
          onChange={event => onCapture(event.currentTarget.checked)}
        />
      ) : null}
    </div>
  );
}

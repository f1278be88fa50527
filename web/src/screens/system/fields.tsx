/** The fields of the system screens; each shows one part of a draft and hands back what becomes of it. */
import { Button, NativeSelect, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { type ReactNode, type Ref, type UIEvent, useId, useRef, useState } from "react";
import { pieces } from "./colours.ts";
import classes from "./system.module.css";

interface LinesProps {
  label: string;
  hint?: string;
  value: string[];
  rows?: number;
  onChange: (value: string[]) => void;
}

/** One entry a line; what is typed stays as typed until the field is left. */
export function Lines({ label, hint, value, rows = 3, onChange }: LinesProps) {
  const [typed, setTyped] = useState<string>();
  const take = (words: string) => {
    setTyped(words);
    onChange(
      words
        .split("\n")
        .map(line => line.trim())
        .filter(Boolean),
    );
  };
  return (
    <Area
      label={label}
      {...(hint ? { hint } : {})}
      rows={Math.max(rows, value.length + 1)}
      value={typed ?? value.join("\n")}
      onChange={take}
      onLeave={() => setTyped(undefined)}
    />
  );
}

interface AreaProps {
  label: string;
  hint?: string;
  error?: string | undefined;
  rows?: number;
  box?: Ref<HTMLTextAreaElement>;
  /** Whether it is a script, which has colours. */
  script?: boolean;
  value: string;
  onChange: (value: string) => void;
  onLeave?: () => void;
  onCaret?: (at: number) => void;
}

export function Area(props: AreaProps) {
  const { label, hint, error, rows = 3, box, script = false, value, onChange, onLeave, onCaret } = props;
  const id = useId();
  const painted = useRef<HTMLPreElement>(null);
  const follow = ({ currentTarget }: UIEvent<HTMLTextAreaElement>) =>
    painted.current?.scrollTo(currentTarget.scrollLeft, currentTarget.scrollTop);
  return (
    <div className={classes.area}>
      <label htmlFor={id}>{label}</label>
      {hint ? (
        <p id={`${id}-hint`} className={classes.hint}>
          {hint}
        </p>
      ) : null}
      <div className={classes.sheet} data-script={script || undefined}>
        {script ? <Painted source={value} place={painted} /> : null}
        <textarea
          id={id}
          ref={box}
          rows={rows}
          className={classes.text}
          spellCheck={false}
          value={value}
          aria-describedby={error ? `${id}-error` : hint ? `${id}-hint` : undefined}
          aria-invalid={error ? true : undefined}
          onChange={event => onChange(event.currentTarget.value)}
          onBlur={onLeave}
          onSelect={event => onCaret?.(event.currentTarget.selectionEnd)}
          {...(script ? { wrap: "off", autoCapitalize: "none", onScroll: follow } : {})}
        />
      </div>
      {error ? (
        <p id={`${id}-error`} className={classes.error}>
          {error}
        </p>
      ) : null}
    </div>
  );
}

/** The same text in colours, below the one that is typed into, whose own letters cannot be seen. */
function Painted({ source, place }: { source: string; place: Ref<HTMLPreElement> }) {
  return (
    <pre ref={place} className={classes.painted} aria-hidden>
      {pieces(source).map(({ kind, words }, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: pieces have no name but their place
        <span key={index} data-kind={kind}>
          {words}
        </span>
      ))}
      {"\n"}
    </pre>
  );
}

/** In a row with others a hint stands below its field, so that the fields stand in line. */
const HINT_BELOW = ["label", "input", "description", "error"] as const;

interface WordProps {
  label: string;
  hint?: string;
  value: string;
  error?: string | undefined;
  /** A name or a size in a row with others. */
  mono?: boolean;
  onChange: (value: string) => void;
}

export function Word({ label, hint, value, error, mono = false, onChange }: WordProps) {
  return (
    <TextInput
      label={label}
      description={hint}
      value={value}
      error={error}
      aria-invalid={error ? true : undefined}
      autoComplete="off"
      spellCheck={false}
      {...(mono ? { classNames: { input: classes.mono ?? "" }, inputWrapperOrder: [...HINT_BELOW] } : {})}
      onChange={event => onChange(event.currentTarget.value)}
    />
  );
}

interface ChoiceProps {
  label: string;
  hint?: string;
  value: string;
  options: readonly { value: string; label: string }[];
  onChange: (value: string) => void;
}

export function Choice({ label, hint, value, options, onChange }: ChoiceProps) {
  const known = options.some(option => option.value === value);
  return (
    <NativeSelect
      label={label}
      description={hint}
      data={known ? [...options] : [...options, { value, label: value }]}
      value={value}
      onChange={event => onChange(event.currentTarget.value)}
    />
  );
}

/** Minutes of a number of seconds; 0 is never. */
export function Minutes({
  label,
  hint,
  value,
  onChange,
}: Omit<WordProps, "value" | "onChange"> & { value: number; onChange: (seconds: number) => void }) {
  return (
    <TextInput
      label={label}
      description={hint}
      inputWrapperOrder={[...HINT_BELOW]}
      type="number"
      min={0}
      step="any"
      inputMode="decimal"
      value={String(value / 60)}
      onChange={event => onChange(Math.max(0, Math.round(Number(event.currentTarget.value) * 60)))}
    />
  );
}

/** A whole number. */
export function Whole({
  label,
  hint,
  value,
  onChange,
}: Omit<WordProps, "value" | "onChange"> & { value: number; onChange: (value: number) => void }) {
  return (
    <TextInput
      label={label}
      description={hint}
      inputWrapperOrder={[...HINT_BELOW]}
      type="number"
      step={1}
      value={String(value)}
      onChange={event => onChange(Math.round(Number(event.currentTarget.value)))}
    />
  );
}

interface NamedProps<T> {
  items: readonly T[];
  fresh: T;
  add: string;
  empty: string;
  remove: (item: T) => string;
  onChange: (items: T[]) => void;
  children: (item: T, index: number, change: (part: Partial<T>) => void) => ReactNode;
}

/** A list of things, each in a box of its own. */
export function Named<T>({ items, fresh, add, empty, remove, onChange, children }: NamedProps<T>) {
  const change = (index: number, part: Partial<T>) =>
    onChange(items.map((item, at) => (at === index ? { ...item, ...part } : item)));
  return (
    <>
      {items.length === 0 ? <p className={classes.hint}>{empty}</p> : null}
      <ul className={classes.named}>
        {items.map((item, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a name is typed letter by letter; the place stays
          <li key={index}>
            <div className={classes.grid}>{children(item, index, each => change(index, each))}</div>
            <Button
              variant="subtle"
              color="red"
              size="compact-sm"
              leftSection={<IconTrash size={14} aria-hidden />}
              aria-label={remove(item)}
              onClick={() => onChange(items.filter((_, at) => at !== index))}
            >
              {remove(item)}
            </Button>
          </li>
        ))}
      </ul>
      <Button
        variant="default"
        className={classes.add ?? ""}
        leftSection={<IconPlus size={16} aria-hidden />}
        onClick={() => onChange([...items, fresh])}
      >
        {add}
      </Button>
    </>
  );
}

/** The questions of a sign-in as the server sends them, one step after the other. */
import { Button, TextInput } from "@mantine/core";
import { type FormEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import type { Conversation, Prompt } from "../api/types.ts";
import { text } from "../text.ts";
import { isCode } from "./code.ts";
import classes from "./conversation.module.css";
import { Password } from "./password.tsx";

interface Props {
  conversation: Conversation;
  busy: boolean;
  /** What went wrong with the last answers, above the buttons. */
  problem?: ReactNode;
  submit: string;
  onAnswers: (answers: string[]) => void;
  onCancel: () => void;
}

export function ConversationForm(props: Props) {
  const { conversation, busy, problem, submit, onAnswers, onCancel } = props;
  const { title, instruction, prompts } = conversation;
  const heading = useId();
  const form = useRef<HTMLFormElement>(null);
  const [answers, setAnswers] = useState<string[]>(() => prompts.map(() => ""));
  // New questions can be answered as soon as they are there, a moment before the request is counted as over.
  const [answered, setAnswered] = useState<Conversation>();
  const waiting = busy && answered === conversation;
  // Each step starts at its first question; also when the step before had the same form.
  useEffect(() => {
    setAnswers(conversation.prompts.map(() => ""));
    form.current?.querySelector<HTMLElement>("input, button")?.focus();
  }, [conversation]);
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    if (waiting) return;
    setAnswered(conversation);
    onAnswers(prompts.map((_, index) => answers[index] ?? ""));
  };
  const change = (index: number, answer: string) =>
    setAnswers(before => before.map((each, at) => (at === index ? answer : each)));
  return (
    <form
      ref={form}
      className={classes.form}
      onSubmit={onSubmit}
      noValidate
      aria-labelledby={title ? heading : undefined}
    >
      {title || instruction ? (
        <div className={classes.words} role="status">
          {title ? (
            <p id={heading} className={classes.title}>
              {title}
            </p>
          ) : null}
          {instruction ? <p className={classes.instruction}>{instruction}</p> : null}
        </div>
      ) : null}
      {prompts.map((prompt, index) => (
        <Question
          // biome-ignore lint/suspicious/noArrayIndexKey: questions of a step have no other name, and never move
          key={index}
          prompt={prompt}
          first={index === 0}
          value={answers[index] ?? ""}
          waiting={waiting}
          onChange={answer => change(index, answer)}
        />
      ))}
      {problem}
      <div className={classes.actions}>
        <Button type="submit" size="md" loading={waiting} className={classes.submit ?? ""}>
          {prompts.length > 0 ? submit : text.conversation.goOn}
        </Button>
        <Button variant="subtle" size="md" onClick={onCancel}>
          {text.common.cancel}
        </Button>
      </div>
    </form>
  );
}

interface QuestionProps {
  prompt: Prompt;
  first: boolean;
  value: string;
  waiting: boolean;
  onChange: (answer: string) => void;
}

function Question({ prompt, first, value, waiting, onChange }: QuestionProps) {
  const label = prompt.text.trim().replace(/\s*:$/, "") || text.conversation.answer;
  const code = isCode(prompt.text);
  const shared = {
    label,
    size: "md" as const,
    value,
    // What is typed meanwhile would be lost when the next questions come. The focus stays, unlike with `disabled`.
    readOnly: waiting,
    spellCheck: false,
    autoCapitalize: "none",
    // Tells a dialog where the focus begins.
    ...(first ? { "data-autofocus": true } : {}),
    onChange: (event: FormEvent<HTMLInputElement>) => onChange(event.currentTarget.value),
  };
  // A one-time code is worth nothing a moment later, and easier to type when it can be seen.
  if (prompt.echo || code) {
    return (
      <TextInput
        {...shared}
        autoComplete={code ? "one-time-code" : "off"}
        {...(code ? { classNames: { input: classes.code ?? "" } } : {})}
      />
    );
  }
  return (
    <Password
      {...shared}
      autoComplete={/new|again|retype/i.test(prompt.text) ? "new-password" : "current-password"}
    />
  );
}

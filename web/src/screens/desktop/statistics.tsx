/** How the picture gets here: path, round trip, pictures and bits a second. */
import { type RefObject, useEffect, useState } from "react";
import type { Candidate } from "../../api/types.ts";
import type { Figures, Viewer } from "../../display/viewer.ts";
import { text } from "../../text.ts";
import facts from "../../ui/facts.module.css";

const EACH_MS = 1_000;

interface Sample extends Figures {
  framesASecond: number;
  megabits: number;
}

function useSamples(viewer: RefObject<Viewer | undefined>): Sample | undefined {
  const [sample, setSample] = useState<Sample>();
  useEffect(() => {
    let before: { at: number; frames: number; bytes: number } | undefined;
    const take = () => {
      const figures = viewer.current?.figures();
      if (!figures) return setSample(undefined);
      const at = performance.now();
      const seconds = before ? (at - before.at) / 1000 : 0;
      // A new line counts from zero again.
      const fresh = !before || figures.bytesIn < before.bytes || seconds === 0;
      setSample({
        ...figures,
        framesASecond: fresh ? 0 : Math.round((figures.frames - (before?.frames ?? 0)) / seconds),
        megabits: fresh ? 0 : ((figures.bytesIn - (before?.bytes ?? 0)) * 8) / seconds / 1e6,
      });
      before = { at, frames: figures.frames, bytes: figures.bytesIn };
    };
    take();
    const timer = setInterval(take, EACH_MS);
    return () => clearInterval(timer);
  }, [viewer]);
  return sample;
}

interface Props {
  viewer: RefObject<Viewer | undefined>;
  candidate: Candidate | undefined;
}

export function Statistics({ viewer, candidate }: Props) {
  const sample = useSamples(viewer);
  const words = text.desktop;
  const rows: [string, string][] = [
    [words.path, candidate ? words.via(words[candidate.kind], new URL(candidate.url).host) : "–"],
    [
      words.roundTrip,
      sample?.roundTrip === undefined ? words.measuring : words.milliseconds(sample.roundTrip),
    ],
    [words.frames, sample ? words.perSecond(sample.framesASecond) : "–"],
    [words.bandwidth, sample ? words.megabits(sample.megabits.toFixed(sample.megabits < 10 ? 2 : 0)) : "–"],
    [words.resolution, sample ? `${sample.width} × ${sample.height}` : "–"],
  ];
  return (
    <dl className={`${facts.facts} figures`}>
      {rows.map(([label, value]) => [<dt key={label}>{label}</dt>, <dd key={`${label}=`}>{value}</dd>])}
    </dl>
  );
}

/** Two strokes that cross; the second one lets the first pass. */

interface Props {
  size?: number;
}

export function Mark({ size = 28 }: Props) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8.5" fill="var(--accent-fill)" />
      <g fill="none" strokeWidth="3.2" strokeLinecap="round" strokeLinejoin="round" stroke="var(--accent-on)">
        <path d="M8.5 8.5 15 16l-6.5 7.5" />
        <path d="M23.5 8.5l-4.1 4.7M17 16l6.5 7.5" opacity="0.62" />
      </g>
    </svg>
  );
}

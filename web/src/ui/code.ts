/** Whether a question means a one-time code; browsers and phones then offer the one that just came. */
export function isCode(question: string): boolean {
  return /\b(code|passcode|otp|token|one[- ]time|verification|totp)\b/i.test(question);
}

import { describe, expect, it } from "vitest";
import { isCode } from "./code.ts";

describe("questions for a one-time code", () => {
  it("are known by their words", () => {
    for (const words of [
      "Verification code: ",
      "OTP:",
      "One-time password (OATH) for me:",
      "Enter your passcode",
    ])
      expect(isCode(words), words).toBe(true);
    for (const words of ["Password: ", "me@host's password:"]) expect(isCode(words), words).toBe(false);
  });
});

/** The quick signs of a classroom in the volunteer's words. Signs travel as codes. */

/** The words of a sign, in the volunteer's language. */
export function signText(sign: string): "sign.cannot_hear" | "sign.cannot_see" | "sign.slower" | "sign.again" {
  switch (sign) {
    case "cannot_hear":
      return "sign.cannot_hear";
    case "cannot_see":
      return "sign.cannot_see";
    case "slower":
      return "sign.slower";
    default:
      return "sign.again";
  }
}

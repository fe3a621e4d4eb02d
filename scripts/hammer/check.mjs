/** An oracle was wrong. */
export class WrongError extends Error {}

export function check(ok, what) {
  if (!ok) throw new WrongError(what)
}

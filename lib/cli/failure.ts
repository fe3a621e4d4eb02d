/** Statuses that the process ends with. Those of a guest are its own. */
export const ExitStatus = {
  success: 0,
  /** Something could not be done. */
  failure: 1,
  /** The command line is wrong. */
  usage: 2,
  /** A guest was ended by a trap, as if by `abort()`: what Wasmtime's own command line gives. */
  trap: process.platform === 'win32' ? 3 : 134,
  /** Nobody reads the output any more, where no signal has ended the process: what a shell shows for one. */
  brokenPipe: 141,
} as const

/**
 * The status for a code that a guest has given `proc_exit`. Systems other than Windows keep its lowest 8 bits only; what is
 * no success there stays none.
 */
export function statusOf(code: number): number {
  return code === 0 || process.platform === 'win32' ? code : code & 0xff || 1
}

/** Something that the user has to hear of: its message is all that is printed. */
export class CliError extends Error {
  readonly status: number

  constructor(message: string, status: number = ExitStatus.failure) {
    super(message)
    this.status = status
  }
}

/** The command line is wrong. */
export class UsageError extends CliError {
  constructor(message: string) {
    super(message, ExitStatus.usage)
  }
}

/** Nobody reads what is written. */
export class BrokenPipe extends Error {}

/** What the system says of a file, without its own name for the call: `no such file or directory`. */
export function systemReason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  const known: { readonly [code: string]: string } = {
    ENOENT: 'there is no such file or directory',
    EACCES: 'permission denied',
    EISDIR: 'it is a directory',
    ENOTDIR: 'a part of its path is no directory',
    ENOSPC: 'no space is left on the device',
    EROFS: 'the file system can only be read',
  }
  return known[code ?? ''] ?? message
}

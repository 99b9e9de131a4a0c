/** A setting that cannot be used: one line that names the variable and what to change, never a secret. */
export class SettingError extends Error {
  constructor(variable: string, why: string, cause?: unknown) {
    super(`${variable}: ${why}`, { cause })
  }
}

/** Runs `open`; what it throws is said of the variable that was at fault. */
export function named<Result>(variable: string, open: () => Result): Result {
  try {
    return open()
  } catch (error) {
    return blame(variable)(error)
  }
}

/** Says of the variable what went wrong; for `catch` of a promise. */
export function blame(variable: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof SettingError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    throw new SettingError(
      variable,
      code === undefined ? message : (REASONS[code] ?? `cannot be used (${code})`),
      error,
    )
  }
}

const REASONS: Partial<Record<string, string>> = {
  ENOENT: 'does not exist (ENOENT)',
  EEXIST: 'is not a directory (EEXIST)',
  ENOTDIR: 'is not a directory (ENOTDIR)',
  EISDIR: 'is a directory (EISDIR)',
  EACCES: 'may not be read or written by this user (EACCES)',
  EROFS: 'is on a read-only file system (EROFS)',
  ENOSPC: 'has no space left (ENOSPC)',
  EADDRINUSE: 'is taken by another program (EADDRINUSE)',
}

import { userInfo } from 'node:os'
import type { Command } from 'commander'

/** What was asked for did not work: exit code 1. */
export class Failure extends Error {}

/** The command line cannot be meant so: exit code 2. */
export class UsageError extends Error {}

/** Adds a command with `--json` and examples. */
export function addCommand(parent: Command, usage: string, about: string, examples: string[]): Command {
  return parent
    .command(usage)
    .description(about)
    .option('--json', 'print JSON')
    .exitOverride()
    .addHelpText('after', `\nExamples:\n${examples.map((line) => `  $ connect-broker ${line}`).join('\n')}`)
}

/** Adds a command that only holds others. */
export function addGroup(parent: Command, name: string, about: string): Command {
  return parent.command(name).description(about).exitOverride()
}

/** Prints for people, or with --json one line of JSON. */
export function print({ json }: { json?: boolean }, value: unknown, text: () => string): void {
  // `| head` has read enough.
  process.stdout.once('error', ({ code }: NodeJS.ErrnoException) => process.exit(code === 'EPIPE' ? 0 : 1))
  process.stdout.write(json ? `${JSON.stringify(value)}\n` : `${text()}\n`)
}

/** Columns as wide as they need to be. */
export function table(header: string[], rows: string[][]): string {
  const all = [header, ...rows].map((row) => row.map(printable))
  const widths = header.map((_, i) => Math.max(...all.map((row) => (row[i] ?? '').length)))
  return all
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Ids and messages come from phones; nothing of them may move a terminal's cursor. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '�')
}

/** Who is at the keyboard, for the story of an incident. */
export function operatorName(): string {
  try {
    return `operator ${userInfo().username}`
  } catch {
    return 'operator' // a container's user may have no name
  }
}

/** @throws UsageError unless the text is a whole number in these bounds. */
export function readCount(option: string, text: string, most: number): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1 || count > most)
    throw new UsageError(`${option}: is a whole number from 1 to ${most}`)
  return count
}

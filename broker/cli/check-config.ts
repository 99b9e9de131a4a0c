import type { Command } from 'commander'
import { checkConfig } from '../check-config.js'
import type { ConfigReport } from '../check-config.js'
import { addCommand, print, table } from './command.js'

/** Tells before a restart what that would do. */
export function addCheckConfig(program: Command, environment: NodeJS.ProcessEnv): void {
  addCommand(program, 'check-config', 'Print what would run, secrets masked, or every error at once', [
    'check-config',
    'check-config --json',
  ]).action((options: { json?: boolean }) => {
    const report = checkConfig(environment)
    const isGood = report.problems.length === 0
    print(options, { ok: isGood, ...report }, () => (isGood ? describe(report) : complain(report)))
    if (!isGood) process.exitCode = 1
  })
}

function describe({ runs, warnings, settings }: ConfigReport): string {
  const changed = settings
    .filter(({ from }) => from !== 'default')
    .map(({ name, value, from }) => [name, value, from])
  return [
    ...runs,
    '',
    changed.length === 0 ? 'every setting has its default' : table(['SETTING', 'VALUE', 'FROM'], changed),
    '',
    ...warnings.map((warning) => `warning: ${warning}`),
    'ok: the broker would start',
  ].join('\n')
}

function complain({ problems, warnings }: ConfigReport): string {
  return [
    ...problems.map((problem) => `error: ${problem}`),
    ...warnings.map((warning) => `warning: ${warning}`),
    `${problems.length === 1 ? '1 error' : `${problems.length} errors`}: the broker would not start`,
  ].join('\n')
}

#!/usr/bin/env node
import { CommanderError } from 'commander'
import { ConfigError } from '../config.js'
import { SettingError } from '../setting-error.js'
import { SignError } from '../sign-session.js'
import { Failure, UsageError } from './command.js'
import { createProgram } from './program.js'

/** Arguments → command → exit code: 0 done, 1 it failed, 2 the command line itself is wrong. */
async function main(): Promise<void> {
  try {
    await createProgram(process.env).parseAsync(process.argv)
  } catch (error) {
    process.exitCode = codeFor(error as Error)
    if (process.exitCode !== 0 && !(error instanceof CommanderError)) say(error as Error)
  }
}

function codeFor(error: Error): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  return error instanceof UsageError || error instanceof SignError ? 2 : 1
}

function say(error: Error): void {
  const isExpected = [Failure, UsageError, SignError, ConfigError, SettingError].some(
    (kind) => error instanceof kind,
  )
  const message = isExpected ? error.message : `${error.name}: ${error.message}`
  if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify({ error: { message } })}\n`)
  else process.stderr.write(`connect-broker: ${message}\n`)
}

void main()

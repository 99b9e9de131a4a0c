import { Command } from 'commander'
import { addApps } from './apps.js'
import { addAudit } from './audit.js'
import { addCheckConfig } from './check-config.js'
import { addDoctor } from './doctor.js'
import { addGateways } from './gateways.js'
import { addIncidents } from './incidents.js'
import { addKick } from './kick.js'
import { addSessions } from './sessions.js'
import { addSign } from './sign.js'
import { addStart } from './start.js'
import { addVerify } from './verify.js'

/** In the order of `--help`. A new command is a file beside this one and a line here. */
const COMMANDS = [
  addStart,
  addCheckConfig,
  addDoctor,
  addSign,
  addVerify,
  addApps,
  addIncidents,
  addAudit,
  addSessions,
  addKick,
  addGateways,
]

export function createProgram(environment: NodeJS.ProcessEnv): Command {
  const program = new Command('connect-broker')
    .description(
      'Runs and operates connect-broker. Settings come from the environment, as for the broker itself.',
    )
    .exitOverride()
    .showHelpAfterError('(--help tells more)')
    .addHelpText('after', EXIT_CODES)
  for (const add of COMMANDS) add(program, environment)
  return program
}

const EXIT_CODES = `
Exit codes: 0 done, 1 it failed (the message says why), 2 the command line is wrong.
Every command has --help with examples, and --json. docs/command-line.md has it all.`

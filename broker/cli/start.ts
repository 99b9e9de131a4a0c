import type { Command } from 'commander'
import { addCommand } from './command.js'

/** The broker itself, in this process. */
export function addStart(program: Command): void {
  addCommand(
    program,
    'start',
    'Run the broker until a signal stops it; the same as node dist/broker/main.js',
    ['start', 'start | tee broker.log'],
  ).action(async () => {
    await import('../main.js')
  })
}

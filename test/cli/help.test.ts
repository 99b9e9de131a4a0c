import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import t from 'tap'
import { createProgram } from '../../broker/cli/program.js'
import { root } from '../support/broker.js'

const all = commandsOf(createProgram({}), '')
const documented = readFileSync(join(root, 'docs/command-line.md'), 'utf8')

t.test('every command has --json, and its row in docs/command-line.md', async (t) => {
  t.ok(all.length >= 17, `${all.length} commands`)
  for (const { name, command } of all) {
    t.ok(
      command.options.some(({ long }) => long === '--json'),
      `${name} --json`,
    )
    t.ok(documented.includes(`\`${name}`), `${name} is described`)
  }
})

t.test('every option of a command says what it is for', async (t) => {
  for (const { name, command } of all)
    for (const { long, description } of command.options) t.ok(description.length > 5, `${name} ${long}`)
})

/** Those that do something, by the words that call them. */
function commandsOf(command: Command, words: string): { name: string; command: Command }[] {
  if (command.commands.length === 0) return [{ name: words.trim(), command }]
  return command.commands.flatMap((child) => commandsOf(child, `${words} ${child.name()}`))
}

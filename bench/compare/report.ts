import type { Contender } from './contenders/contender.js'
import { METRICS, summarize } from './samples.js'
import type { MetricName, Sample, Summary } from './samples.js'
import type { Target } from './targets.js'

export interface Outcome {
  samples: Sample[]
  targets: Target[]
  contenders: Contender[]
  /** What was remarkable while it ran. */
  remarks: string[]
  /** Lines about machine, versions, places and sizes. */
  about: string[]
  command: string
}

/** Rows of figures, `least–most` behind each median of several. */
export function renderFigures({ samples, contenders }: Outcome): string {
  const shown = contenders.filter(({ name }) => samples.some(({ contender }) => contender === name))
  const rows = (Object.keys(METRICS) as MetricName[]).flatMap((metric) => {
    const summaries = shown.map(({ name }) => summarize(samples, metric, name))
    if (summaries.every((summary) => summary === undefined)) return []
    const { title, unit, digits } = METRICS[metric]
    return [`| ${title}, ${unit} | ${summaries.map((summary) => cell(summary, digits)).join(' | ')} |`]
  })
  return [
    `| | ${shown.map(({ name }) => SHORT[name]).join(' | ')} |`,
    `|---|${shown.map(() => '---|').join('')}`,
    ...rows,
  ].join('\n')
}

export function renderTargets(targets: Target[]): string {
  return [
    '| bar | | measured | |',
    '|---|---|---|---|',
    ...targets.map(
      ({ text, bar, value, unit, isHeld }) =>
        `| ${text} | ${bar} | ${withDigits(value, value >= 100 ? 0 : 2)} ${unit} | ${isHeld ? 'held' : '**NOT HELD**'} |`,
    ),
  ].join('\n')
}

/** The page; `byHand` is what people wrote below its last heading, and stays. */
export function renderPage(outcome: Outcome, byHand: string): string {
  const { targets, contenders, remarks, about, command } = outcome
  const lost = targets.filter(({ isHeld }) => !isHeld)
  return `# Performance

Measured by \`${command}\`; the program writes this page, but for its last section. Every contender ran on this machine in
this run, in turns. A figure is the median of its rounds, with the least and the most of them in brackets.

![Side by side](performance.svg)

## Bars

${renderTargets(targets)}

${lost.length === 0 ? 'Every bar is held.' : `Not held: ${lost.length} of ${targets.length}.`}

## Figures

${contenders.map(({ name, title }) => `- **${SHORT[name]}**: ${title}`).join('\n')}

${renderFigures(outcome)}

## How it was measured

${about.map((line) => `- ${line}`).join('\n')}
${remarks.length === 0 ? '' : `\nSeen while it ran:\n\n${remarks.map((line) => `- ${line}`).join('\n')}\n`}
${BY_HAND}

${byHand.trim() || 'Nothing is written here yet.'}
`
}

/** The section that people write, of the page as it was. */
export function readByHand(page: string): string {
  const at = page.indexOf(BY_HAND)
  return at < 0 ? '' : page.slice(at + BY_HAND.length)
}

export const SHORT = {
  embedded: 'embedded',
  redis: 'Redis',
  aedes: 'bare Aedes',
  pipeline: 'pipeline',
  mosquitto: 'Mosquitto',
} as const satisfies Record<Contender['name'], string>

const BY_HAND = '## What limits it'

function cell(summary: Summary | undefined, digits: number): string {
  if (!summary || Number.isNaN(summary.median)) return '–'
  const { median, least, most, count } = summary
  const spread = count > 1 ? ` (${withDigits(least, digits)}–${withDigits(most, digits)})` : ''
  return `${withDigits(median, digits)}${spread}`
}

function withDigits(value: number, digits: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { aedes } from './contenders/bare-aedes.js'
import { embedded, redis } from './contenders/connect-broker.js'
import type { Bench, Contender } from './contenders/contender.js'
import { mosquitto, pipeline } from './contenders/mosquitto.js'
import { endEverything } from './processes.js'
import { measureConnects, measureIdle, measureReturn } from './measures/connects.js'
import { measureGrowth, measureTransports, measureTwoNodes } from './measures/growth.js'
import { countLost, measureIngest } from './measures/ingest.js'
import { measureLatency, measureSosAlone } from './measures/latency.js'
import type { MeasureContext, Sizes } from './measures/measure.js'
import type { Sample } from './samples.js'

export const CONTENDERS: Contender[] = [embedded, redis, aedes, pipeline, mosquitto]

/** What is measured in every round, of one start of a contender. */
export const ROUND_MEASURES = ['connects', 'latency', 'sos', 'ingest'] as const
/** What is measured once: memory and CPU of a message do not scatter as times do. */
export const SINGLE_MEASURES = ['idle', 'return', 'growth', 'transports', 'nodes'] as const
export const MEASURES = [...ROUND_MEASURES, ...SINGLE_MEASURES]
export type MeasureName = (typeof MEASURES)[number]

export interface Plan {
  rounds: number
  contenders: Contender[]
  measures: MeasureName[]
  sizes: Sizes
  bench: Omit<Bench, 'directory'>
  directory: string
}

/** Runs everything; contenders take turns, and each round begins with another one. */
export async function runPlan(plan: Plan, say: (text: string) => void) {
  const samples: Sample[] = []
  const remarks = new Map<string, number>()
  const wants = (name: MeasureName) => plan.measures.includes(name)
  let starts = 0
  let failures = 0

  async function measure(
    contender: Contender,
    work: (context: MeasureContext) => Promise<void>,
  ): Promise<void> {
    const directory = join(plan.directory, `run-${++starts}`)
    mkdirSync(directory, { recursive: true })
    const remark = (text: string) => void remarks.set(text, (remarks.get(text) ?? 0) + 1)
    try {
      await work({
        contender,
        bench: { ...plan.bench, directory },
        sizes: plan.sizes,
        note: (metric, value) => void samples.push({ metric, contender: contender.name, value }),
        remark,
      })
    } catch (error) {
      // The others are measured all the same: a run takes long.
      failures++
      remark(`${contender.title}: a measure failed: ${(error as Error).message}`)
      await endEverything()
    }
    rmSync(directory, { recursive: true, force: true })
  }

  if (ROUND_MEASURES.some(wants)) {
    for (let round = 0; round < plan.rounds; round++) {
      for (let i = 0; i < plan.contenders.length; i++) {
        const contender = plan.contenders[(i + round) % plan.contenders.length] as Contender
        say(`round ${round + 1}: ${contender.title}`)
        await measure(contender, (context) => runRound(context, wants))
      }
    }
  }
  for (const name of SINGLE_MEASURES) {
    if (!wants(name)) continue
    for (const contender of plan.contenders) {
      const works = SINGLE[name].filter(({ contenders }) => contenders.includes(contender.name))
      for (const { work } of works) {
        say(`${name}: ${contender.title}`)
        await measure(contender, work)
      }
    }
  }
  return {
    samples,
    failures,
    remarks: [...remarks].map(([text, times]) => (times > 1 ? `${text} (${times} times)` : text)),
  }
}

async function runRound(context: MeasureContext, wants: (name: MeasureName) => boolean): Promise<void> {
  const { contender, bench, note } = context
  const running = await contender.start(bench)
  note('start-up', running.startUpMs)
  if (wants('connects')) await measureConnects(running, context)
  if (wants('latency')) await measureLatency(running, context)
  if (wants('sos') && contender.isDurable) await measureSosAlone(running, context)
  const acknowledged = wants('ingest') ? await measureIngest(running, context) : null
  if (contender.name === 'embedded') await running.stop() // its store has one process
  if (acknowledged && running.store) note('ingest-lost', await countLost(running, acknowledged))
  if (contender.name !== 'embedded') await running.stop()
}

type Single = { contenders: Contender['name'][]; work: (context: MeasureContext) => Promise<void> }

const SINGLE: Record<(typeof SINGLE_MEASURES)[number], Single[]> = {
  idle: [
    { contenders: ['embedded', 'aedes', 'mosquitto'], work: (context) => measureIdle(context, 'tcp') },
    { contenders: ['embedded', 'aedes'], work: (context) => measureIdle(context, 'tls') },
  ],
  return: [{ contenders: ['embedded', 'redis', 'aedes', 'pipeline'], work: measureReturn }],
  growth: [{ contenders: ['embedded', 'redis', 'pipeline'], work: measureGrowth }],
  transports: [{ contenders: ['embedded'], work: measureTransports }],
  nodes: [{ contenders: ['redis'], work: measureTwoNodes }],
}

import t from 'tap'
import mqttPacket from 'mqtt-packet'
import type { Packet } from 'mqtt-packet'
import { aedes } from '../../bench/compare/contenders/bare-aedes.js'
import { embedded } from '../../bench/compare/contenders/connect-broker.js'
import { createPacketReader } from '../../bench/compare/load/packet-reader.js'
import {
  connectBytes,
  FIRST_NUMBER,
  prepareSos,
  prepareTelemetry,
  subscribeBytes,
} from '../../bench/compare/load/packets.js'
import type { PreparedPublish } from '../../bench/compare/load/packets.js'
import { createFrameReader, frameHeader } from '../../bench/compare/load/web-socket.js'
import { drawChart } from '../../bench/compare/chart.js'
import { runPlan } from '../../bench/compare/plan.js'
import { readByHand, renderFigures, renderPage } from '../../bench/compare/report.js'
import type { Outcome } from '../../bench/compare/report.js'
import { summarize } from '../../bench/compare/samples.js'
import type { Sample } from '../../bench/compare/samples.js'
import { judge } from '../../bench/compare/targets.js'
import { percentiles } from '../../bench/overload/percentiles.js'
import { temporaryDirectory } from '../support/broker.js'

const identity = {
  clientId: 'walker-1',
  username: 'sdk:demo-app:walker-1',
  password: 'a'.repeat(64),
  telemetryTopic: 'tel/walker-1/data',
  sosTopic: 'sos/alerts/walker-1',
  eventFilter: 'sos/events/walker-1',
}

for (const version of [4, 5] as const) {
  t.test(`what the load sends is MQTT ${version} as mqtt-packet reads it`, async (t) => {
    const connect = parse(connectBytes(identity, version), version)
    t.match(connect, { cmd: 'connect', protocolVersion: version, clean: true, username: identity.username })
    t.match(parse(subscribeBytes(identity.eventFilter, version), version), {
      cmd: 'subscribe',
      subscriptions: [{ topic: identity.eventFilter, qos: 1 }],
    })
    const telemetry = readBack(
      prepareTelemetry(identity.telemetryTopic, 'ingest', version),
      String(FIRST_NUMBER + 7),
    )
    t.match(telemetry, { topic: identity.telemetryTopic, qos: 1, messageId: 4_660 })
    t.match(JSON.parse(telemetry.payload), { run: 'ingest', n: FIRST_NUMBER + 7 })
    const time = '2026-11-24T13:14:15.678Z'
    const sos = readBack(prepareSos(identity.sosTopic, version), time)
    t.match(sos, { topic: identity.sosTopic, qos: 1, messageId: 4_660 })
    t.equal((JSON.parse(sos.payload) as { timestamp: string }).timestamp, time)

    function readBack({ bytes, packetIdAt, markAt, markLength }: PreparedPublish, mark: string) {
      bytes.writeUInt16BE(4_660, packetIdAt)
      bytes.write(mark, markAt, markLength, 'latin1')
      const packet = parse(bytes, version) as Packet & { payload: Buffer; topic: string }
      return { ...packet, payload: packet.payload.toString() }
    }
  })

  t.test(`the load reads every answer of MQTT ${version}, however its bytes are cut`, async (t) => {
    const answers: Packet[] = [
      version === 5
        ? { cmd: 'connack', sessionPresent: false, reasonCode: 0 }
        : { cmd: 'connack', sessionPresent: false, returnCode: 0 },
      { cmd: 'suback', messageId: 1, granted: [1] },
      { cmd: 'puback', messageId: 513 },
      {
        cmd: 'publish',
        topic: 'sos/events/u',
        payload: 'x'.repeat(300),
        qos: 1,
        messageId: 9,
        retain: false,
        dup: false,
      },
    ]
    const bytes = Buffer.concat(
      answers.map((packet) => mqttPacket.generate(packet, { protocolVersion: version })),
    )
    for (const size of [1, 3, bytes.length]) {
      const heard: unknown[] = []
      const read = createPacketReader(version, {
        onConnack: (code) => heard.push(['connack', code]),
        onSuback: (code) => heard.push(['suback', code]),
        onPuback: (packetId, code) => heard.push(['puback', packetId, code]),
        onPublish: (packetId, payload) => heard.push(['publish', packetId, payload.toString()]),
      })
      for (let at = 0; at < bytes.length; at += size) read(bytes.subarray(at, at + size))
      t.strictSame(
        heard,
        [
          ['connack', 0],
          ['suback', 1],
          ['puback', 513, 0],
          ['publish', 9, 'x'.repeat(300)],
        ],
        `${size} bytes at a time`,
      )
    }
  })
}

t.test('WebSocket frames of a server are read, however their bytes are cut', async (t) => {
  const long = Buffer.alloc(200, 7)
  const bytes = Buffer.concat([
    Buffer.from('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n'),
    Buffer.of(0x82, 2, 1, 2),
    Buffer.of(0x82, 126, 0, 200),
    long,
  ])
  for (const size of [1, 5, bytes.length]) {
    const heard: Buffer[] = []
    let opened = 0
    const read = createFrameReader({
      onOpen: () => opened++,
      onBytes: (part) => heard.push(Buffer.from(part)),
    })
    for (let at = 0; at < bytes.length; at += size) read(bytes.subarray(at, at + size))
    t.equal(opened, 1)
    t.strictSame(Buffer.concat(heard), Buffer.concat([Buffer.of(1, 2), long]), `${size} bytes at a time`)
  }
  t.strictSame(frameHeader(300), Buffer.of(0x82, 0x80 | 126, 1, 44, 0, 0, 0, 0))
})

t.test('percentiles and medians are those of the values', async (t) => {
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i)
  t.strictSame(percentiles(hundred), { p50: 50, p99: 99, max: 100 })
  const samples = [4, 1, 3, 2].map((value): Sample => ({ metric: 'ingest-rate', contender: 'redis', value }))
  t.strictSame(summarize(samples, 'ingest-rate', 'redis'), { median: 2.5, least: 1, most: 4, count: 4 })
  t.equal(summarize(samples, 'ingest-rate', 'aedes'), undefined)
})

t.test('a bar is judged by the medians, and not at all when a side was not measured', async (t) => {
  const samples: Sample[] = [
    { metric: 'ingest-rate', contender: 'redis', value: 140 },
    { metric: 'ingest-rate', contender: 'pipeline', value: 100 },
    { metric: 'ingest-lost', contender: 'redis', value: 0 },
    { metric: 'ingest-lost', contender: 'redis', value: 1 },
  ]
  t.match(judge(samples), [
    { text: /against the pipeline/, value: 1.4, isHeld: false },
    { text: /lost, Redis/, value: 1, isHeld: false }, // one round is enough
  ])
})

t.test('two contenders side by side give a table, a chart and a page', async (t) => {
  const run = await runPlan(
    {
      rounds: 1,
      contenders: [embedded, aedes],
      measures: ['ingest'],
      sizes: { seconds: 0.5, clients: 20, rate: 100, connects: 20, idle: 20, growth: [] },
      bench: {
        cores: { server: '0', second: '0', load: '0', redis: '0' },
        users: 100,
        nodeArguments: [],
      },
      directory: temporaryDirectory(t),
    },
    (text) => t.comment(text),
  )
  t.equal(run.failures, 0, run.remarks.join('; '))
  for (const { name } of [embedded, aedes]) {
    t.ok(summarize(run.samples, 'ingest-rate', name)!.median > 0, `${name} acknowledged telemetry`)
    t.ok(summarize(run.samples, 'start-up', name)!.median > 0, `${name} started`)
  }
  t.equal(summarize(run.samples, 'ingest-lost', 'embedded')!.median, 0, 'everything acknowledged was found')
  const outcome: Outcome = {
    ...run,
    targets: judge(run.samples),
    contenders: [embedded, aedes],
    about: ['a line'],
    command: 'npm run bench',
  }
  t.match(renderFigures(outcome), /\| telemetry stored, messages\/s \| [\d,]+ \| [\d,]+ \|/)
  const page = renderPage(outcome, '')
  t.match(
    readByHand(renderPage(outcome, readByHand(page.replace('Nothing is', 'Much is')))),
    /Much is written/,
  )
  t.match(drawChart(outcome), /^<svg [^]*telemetry stored[^]*<\/svg>$/)
})

function parse(bytes: Buffer, protocolVersion: 4 | 5): Packet {
  const packets: Packet[] = []
  const parser = mqttPacket.parser({ protocolVersion })
  parser.on('packet', (packet) => packets.push(packet))
  const left = parser.parse(bytes)
  if (packets.length !== 1 || left !== 0) throw new Error(`${packets.length} packets, ${left} bytes left`)
  return packets[0] as Packet
}

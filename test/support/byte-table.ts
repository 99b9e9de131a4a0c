import type { Socket } from 'node:net'
import type { Packet } from 'mqtt-packet'
import type { Test } from 'tap'
import type { Broker, Credentials } from './broker.js'
import { connectRaw, logIn } from './raw-client.js'

/** One byte sequence and all that may come back for it. */
export interface Row {
  /** A sentence; the clause is put before it. */
  title: string
  bytes: Buffer
  /** Every answer, in order and as `tell` tells it. None unless given. */
  answers?: string[]
  /**
   * The rule that the bytes break, as the broker's log names it: the connection must end, and for this reason
   * and no other. Absent: the connection must live on.
   */
  breaks?: string
  /** Why the login is refused, as the log names it; the connection must end. */
  refused?: string
}

type ProtocolVersion = 3 | 4 | 5

/**
 * Sends each row's bytes on a connection of its own that has logged in. The broker logs at level debug, or it would
 * only count the hundredth line of a kind.
 */
export async function checkRowsAfterLogin(
  t: Test,
  broker: Broker,
  credentials: Credentials,
  protocolVersion: ProtocolVersion,
  rows: Row[],
): Promise<void> {
  for (const row of rows) {
    await t.test(titleOf(row), async (t) => {
      const linesBefore = broker.log.length
      const client = await logIn(t, broker.ports.mqtt, credentials, { protocolVersion })
      await checkRow(t, broker, client, protocolVersion, row, linesBefore)
    })
  }
}

/** Sends each row's bytes as the first of a connection. */
export async function checkRowsBeforeLogin(
  t: Test,
  broker: Broker,
  protocolVersion: ProtocolVersion,
  rows: Row[],
): Promise<void> {
  for (const row of rows) {
    await t.test(titleOf(row), async (t) => {
      const linesBefore = broker.log.length
      const client = await connectRaw(t, broker.ports.mqtt, protocolVersion)
      await checkRow(t, broker, client, protocolVersion, row, linesBefore)
    })
  }
}

function titleOf({ title, breaks }: Row): string {
  return breaks === undefined ? title : `[${breaks}] ${title}`
}

type RawClient = Awaited<ReturnType<typeof connectRaw>>

async function checkRow(
  t: Test,
  broker: Broker,
  client: RawClient,
  protocolVersion: ProtocolVersion,
  { bytes, answers = [], breaks, refused }: Row,
  linesBefore: number,
): Promise<void> {
  const port = (client.socket as Socket).localPort
  client.send(bytes)
  if (breaks === undefined && refused === undefined) {
    const seen: string[] = []
    while (seen.length < answers.length) seen.push(tell(await client.next(), protocolVersion))
    client.send('c0 00')
    do seen.push(tell(await client.next(), protocolVersion))
    while (seen.at(-1) !== 'PINGRESP')
    t.strictSame(seen, [...answers, 'PINGRESP'], 'answers, then the connection lives on')
    client.send('e0 00')
    await client.untilClosed()
    return
  }
  const packets = await client.untilClosed()
  t.strictSame(
    packets.map((packet) => tell(packet, protocolVersion)),
    answers,
    'answers before the end',
  )
  const end = await endOf(broker, port, linesBefore)
  t.equal(end.clause ?? end.why, breaks ?? refused, 'why the connection ended, in the log')
}

/** The log line that says why the connection from this port ended; the end of its session when none does. */
function endOf(broker: Broker, port: number | undefined, linesBefore: number) {
  let sessionId: unknown
  return broker.logged((line) => {
    // Another connection may have had the same port before.
    if (broker.log.lastIndexOf(line) < linesBefore) return false
    if (line.port === port && line.msg === 'login') sessionId = line.sessionId
    if (line.msg === 'session ended') return line.sessionId === sessionId
    return (
      line.port === port &&
      (line.msg === 'connection ended: protocol violated' || line.msg === 'login refused')
    )
  })
}

/** A packet in few words: `CONNACK 5`, `SUBACK 1: 01 80`, `PUBACK 7`, `PUBACK 7 0x87`, `DISCONNECT 0x82`. */
export function tell(packet: Packet, protocolVersion: ProtocolVersion): string {
  const name = packet.cmd.toUpperCase()
  switch (packet.cmd) {
    case 'connack':
      return `${name} ${protocolVersion === 5 ? code(packet.reasonCode) : packet.returnCode}`
    case 'disconnect':
      return `${name} ${code(packet.reasonCode)}`
    case 'suback':
    case 'unsuback': {
      const codes = (packet.granted ?? []) as number[]
      return `${name} ${[`${packet.messageId}:`, ...codes.map((one) => byte(one))].join(' ')}`
    }
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      return `${name} ${packet.messageId}${packet.reasonCode ? ` ${code(packet.reasonCode)}` : ''}`
    default:
      return name
  }
}

function code(value: number | undefined): string {
  return `0x${byte(value ?? 0)}`
}

function byte(value: number): string {
  return value.toString(16).padStart(2, '0')
}

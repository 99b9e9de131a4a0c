import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { Test } from 'tap'
import { basic } from './api.js'
import type { EventJson } from './api.js'
import type { Broker } from './broker.js'

/** One event as it stood in the stream. */
export interface StreamedEvent {
  id: string
  event: string
  data: EventJson
}

export interface EventStream {
  response: IncomingMessage
  /** The next event; null when the stream has ended. */
  next(): Promise<StreamedEvent | null>
  close(): void
}

/** Reads an app's server-sent events; fields and blank lines as the HTML standard has them. */
export async function openEventStream(
  t: Test,
  broker: Broker,
  { appId = 'app-a', lastEventId, query = '' }: { appId?: string; lastEventId?: string; query?: string } = {},
): Promise<EventStream> {
  const headers = {
    authorization: basic(appId),
    accept: 'text/event-stream',
    ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
  }
  const path = `/v1/backend/events${query}`
  const outgoing = get({ host: '127.0.0.1', port: broker.ports.http, path, headers, agent: false })
  t.teardown(() => outgoing.destroy())
  const response = await new Promise<IncomingMessage>((resolve, reject) =>
    outgoing.on('response', resolve).on('error', reject),
  )
  const events: StreamedEvent[] = []
  let wake = () => {}
  let isEnded = false
  let text = ''
  response.setEncoding('utf8')
  response.on('data', (chunk: string) => {
    text += chunk
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    events.push(...blocks.flatMap((block) => readBlock(block) ?? []))
    wake()
  })
  response.on('error', () => {}) // a reset is an end
  response.on('close', () => {
    isEnded = true
    wake()
  })
  return {
    response,
    async next() {
      for (;;) {
        const event = events.shift()
        if (event) return event
        if (isEnded) return null
        await new Promise<void>((resolve) => (wake = resolve))
      }
    },
    close: () => void outgoing.destroy(),
  }
}

function readBlock(block: string): StreamedEvent | null {
  const fields = new Map(
    block.split('\n').map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')]
    }),
  )
  const data = fields.get('data')
  if (data === undefined) return null
  return { id: fields.get('id') ?? '', event: fields.get('event') ?? '', data: JSON.parse(data) as EventJson }
}

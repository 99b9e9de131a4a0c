import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createBrokerClient, signSession } from './broker-client.mjs'
import { verifyWebhook } from './verify-webhook.mjs'

const { BROKER_URL, APP_ID, APP_SECRET, WEBHOOK_SECRET, PORT = '3000', PLACE_FILE = './place' } = process.env
const app = { brokerUrl: BROKER_URL, appId: APP_ID, appSecret: APP_SECRET }
const broker = createBrokerClient(app)
const tell = (what) => console.log(JSON.stringify(what))

// Every new SOS is acknowledged: the phone shows that somebody has seen it. In your system a person does this.
async function onEvent(event) {
  tell({ event })
  if (event.type === 'processed' && event.status === 'active')
    await broker.acknowledge(event.incidentId, 'example backend', 'we are on our way')
  writeFileSync(`${PLACE_FILE}.new`, event.id)
  renameSync(`${PLACE_FILE}.new`, PLACE_FILE)
}

const server = createServer(async (request, response) => {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  const body = Buffer.concat(chunks)
  try {
    if (request.url === '/session') {
      // Here your own login belongs: this answers whoever asks.
      const { externalUserId } = JSON.parse(body.toString())
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(signSession(app, externalUserId)))
    } else if (request.url === '/webhook') {
      tell({ webhook: verifyWebhook(WEBHOOK_SECRET, request.headers, body) })
      response.writeHead(204).end()
    } else response.writeHead(404).end()
  } catch (error) {
    response.writeHead(400).end(error.message)
  }
})

const ending = new AbortController()
process.on('SIGTERM', () => {
  ending.abort()
  server.close()
  server.closeAllConnections()
})
server.listen(Number(PORT), '127.0.0.1', () => tell({ listening: server.address().port }))
await broker.followEvents(readPlace(), onEvent, ending.signal)

function readPlace() {
  try {
    return readFileSync(PLACE_FILE, 'utf8')
  } catch {
    return '0' // the first start
  }
}

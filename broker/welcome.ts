import { resolve } from 'node:path'
import { DEMO_APP_ID } from '../auth/apps.js'
import { createUser, signUser } from '../auth/identity.js'
import type { Config } from './config.js'
import type { Service } from './service.js'

/** What a newcomer reads on the terminal: a signed demo session and lines to copy that work as they stand. */
export function welcome({ ports, apps, certFile }: Service, config: Config): string {
  const secret = apps.find(DEMO_APP_ID)?.secrets[0]
  if (secret === undefined) return ''
  const externalUserId = 'alice'
  const userHash = signUser(secret, externalUserId)
  const { userId } = createUser({ appId: DEMO_APP_ID, externalUserId })
  const host = config.host === '0.0.0.0' || config.host === '::' ? 'localhost' : config.host
  const login = `-u 'sdk:${DEMO_APP_ID}:${externalUserId}' -P ${userHash}`
  const tcp = `-h ${host} -p ${ports.mqtt} -V 5 ${login}`
  const tls = `-h ${host} -p ${ports.mqtts} --cafile '${resolve(certFile)}' -V 5 ${login}`
  const position = '\\"latitude\\":41.4,\\"longitude\\":2.2,\\"altitude\\":0.0'
  const payload = `"{\\"timestamp\\":\\"$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)\\",${position}}"`
  const lines = [
    '',
    '  connect-broker is ready. A demo session to try it with:',
    '',
    `    app            ${DEMO_APP_ID}   (secret in ${config.appsFile})`,
    `    user           ${externalUserId}      (UUID ${userId})`,
    `    userHash       ${userHash}`,
    '',
  ]
  if (ports.mqtt !== undefined) {
    lines.push(
      '  1. In a second terminal, listen to her lifecycle events:',
      '',
      `     mosquitto_sub ${tcp} -q 1 -v -t sos/events/${externalUserId} -t sos/events/${userId}`,
      '',
      '  2. In a third, send an SOS; two "processed" events appear in the second:',
      '',
      `     mosquitto_pub ${tcp} -q 1 -t sos/alerts -m ${payload}`,
      '',
      '  3. Send telemetry:',
      '',
      `     mosquitto_pub ${tcp} -q 1 -t tel/${externalUserId}/data -m ${payload}`,
      '',
    )
  }
  if (ports.mqtts !== undefined) {
    lines.push(
      '  The same over TLS:',
      '',
      `     mosquitto_sub ${tls} -q 1 -v -t sos/events/${externalUserId}`,
      `     mosquitto_pub ${tls} -q 1 -t sos/alerts/${userId} -m ${payload}`,
      '',
    )
  }
  const web = [
    ports.http && `ws://${host}:${ports.http}/mqtt`,
    ports.https && `wss://${host}:${ports.https}/mqtt`,
  ].filter(Boolean)
  if (web.length > 0) lines.push(`  WebSocket: ${web.join('  ')}`, '')
  lines.push('  Another user: npm run -s sign -- --app demo-app --user bob      Stop: Ctrl-C', '', '')
  return lines.join('\n')
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ConfigError, readConfig, SETTINGS } from '../../broker/config.js'
import { renderConfigurationDocs } from '../../broker/configuration-docs.js'
import { root, temporaryDirectory } from '../support/broker.js'
import { writeFileSync } from 'node:fs'

t.test('docs/configuration.md says what the settings say', async (t) => {
  t.equal(
    readFileSync(join(root, 'docs/configuration.md'), 'utf8'),
    renderConfigurationDocs(),
    'npm run docs writes it anew',
  )
})

t.test('every setting that can be wrong is named at once, without its value', async (t) => {
  const environment = {
    MQTT_PORT: '70000',
    LOG_LEVEL: 'loud-secret',
    REDIS_URL: 'http://user:hunter2@host',
    TLS_KEY_FILE: 'key.pem',
  }
  const error = t.throws(() => readConfig(environment)) as unknown as ConfigError
  for (const name of Object.keys(environment)) t.match(error.message, name)
  t.notMatch(error.message, /70000|loud-secret|hunter2|key\.pem/)
})

t.test('NAME_FILE reads the value from a file, and one that cannot be read is named', async (t) => {
  const file = join(temporaryDirectory(t), 'url')
  writeFileSync(file, 'redis://:secret@redis:6379/3\n')
  t.equal(readConfig({ REDIS_URL_FILE: file }).redisUrl, 'redis://:secret@redis:6379/3')
  t.throws(() => readConfig({ REDIS_URL_FILE: `${file}.none` }), {
    message: /^REDIS_URL_FILE: cannot be read \(ENOENT\)$/,
  })
})

t.test('without any variable every port and limit has its documented default', async (t) => {
  const config = readConfig({})
  t.strictSame(config.ports, { mqtt: 1883, mqtts: 8883, http: 8080, https: 8443 })
  t.strictSame(config.admin, { host: '127.0.0.1', port: 9090 })
  t.equal(config.gate.packetBytesMax, Number(SETTINGS.PACKET_BYTES_MAX.fallback))
  t.equal(config.redisUrl, undefined)
})

t.test('off closes a port and 0 asks for any free one', async (t) => {
  const { ports } = readConfig({ MQTT_PORT: 'off', HTTP_PORT: '0' })
  t.equal(ports.mqtt, null)
  t.equal(ports.http, 0)
})

import * as fc from 'fast-check'
import t from 'tap'
import { isDownlinkFilter, readMeshTopic } from '../../handlers/mesh/mesh-topics.js'

t.test('a topic name tells what a gateway publishes, under a root of one to four levels', async (t) => {
  for (const root of ['msh', 'msh/EU_868', 'eixam/gw1', 'a/b/c/d', '2/2', 'msh/2/e']) {
    const envelope = { is: 'envelope', root, channelName: 'LongFast', gatewayNode: '!a1b2c3d4' }
    t.strictSame(readMeshTopic(`${root}/2/e/LongFast/!a1b2c3d4`), envelope)
    t.strictSame(readMeshTopic(`${root}/2/c/LongFast/!A1B2C3D4`), envelope, 'before firmware 2.3, any case')
    t.strictSame(readMeshTopic(`${root}/2/json/LongFast/!a1b2c3d4`), { ...envelope, is: 'json' })
    t.strictSame(readMeshTopic(`${root}/2/map/`), { is: 'map', root })
    t.strictSame(readMeshTopic(`${root}/2/stat/!a1b2c3d4`), { is: 'stat', root, gatewayNode: '!a1b2c3d4' })
  }
  t.match(readMeshTopic('msh/2/e/test/!12345678'), { root: 'msh', channelName: 'test' })
  t.match(readMeshTopic('msh/2/e/PKI/!12345678'), { is: 'envelope', channelName: 'PKI' })
  t.match(readMeshTopic('msh/2/e/stat/!12345678'), { is: 'envelope', channelName: 'stat' })
})

t.test('topics of our own: a bridge program, and an EIXAM device by its hardware id', async (t) => {
  t.strictSame(readMeshTopic('gw/packet'), { is: 'bridge' })
  t.strictSame(readMeshTopic('gw/sos/CF:82:00:00:00:01'), {
    is: 'radio-sos',
    hardwareId: 'CF:82:00:00:00:01',
  })
  t.strictSame(readMeshTopic('gw/tel/unit%2F7'), { is: 'radio-tel', hardwareId: 'unit/7' })
  t.strictSame(readMeshTopic('gw/tel/100%'), { is: 'radio-tel', hardwareId: '100%' })
  t.match(readMeshTopic('gw/2/e/LongFast/!a1b2c3d4'), { is: 'envelope', root: 'gw' })
})

t.test('no other topic is one of a gateway', async (t) => {
  const others = [
    '',
    '/',
    'msh',
    'sos/alerts',
    'tel/data',
    'sos/alerts/!a1b2c3d4',
    '2/e/LongFast/!a1b2c3d4',
    '/2/e/LongFast/!a1b2c3d4',
    'msh//2/e/LongFast/!a1b2c3d4',
    'a/b/c/d/e/2/e/LongFast/!a1b2c3d4',
    '$SYS/2/e/LongFast/!a1b2c3d4',
    'msh/2/e//!a1b2c3d4',
    `msh/2/e/${'x'.repeat(33)}/!a1b2c3d4`,
    'msh/2/e/Long/Fast/!a1b2c3d4',
    'msh/2/e/LongFast',
    'msh/2/e/LongFast/a1b2c3d4',
    'msh/2/e/LongFast/!a1b2c3d',
    'msh/2/e/LongFast/!a1b2c3d4e',
    'msh/2/e/LongFast/!a1b2c3dg',
    'msh/2/e/LongFast/!a1b2c3d4/',
    'msh/2/x/LongFast/!a1b2c3d4',
    'msh/3/e/LongFast/!a1b2c3d4',
    'msh/2/e/+/!a1b2c3d4',
    'msh/2/e/#',
    'msh/2/e/Long\0Fast/!a1b2c3d4',
    'msh/2/map',
    'msh/2/map/!a1b2c3d4',
    '2/map/',
    'msh/2/stat/',
    '$SYS/broker/connection/gw/state',
    '/will',
    'gw',
    'gw/packet/1',
    'gw/sos',
    'gw/sos/',
    'gw/sos/a/b',
    `gw/sos/${'x'.repeat(129)}`,
    'GW/sos/a',
  ]
  for (const topicName of others) t.equal(readMeshTopic(topicName), null, topicName)
})

t.test('the filters of a gateway that asks for packets are known, and no other', async (t) => {
  const downlink = [
    'msh/2/e/LongFast/+',
    'msh/EU_868/2/e/PKI/+',
    'msh/2/e/+/+',
    'msh/2/e/LongFast/#',
    'msh/2/c/LongFast/#',
    'a/b/c/d/2/json/mqtt/+',
  ]
  for (const filter of downlink) t.ok(isDownlinkFilter(filter), filter)
  const others = [
    '#',
    '+/#',
    'msh/#',
    'msh/2/#',
    'msh/2/e/#',
    '+/2/e/LongFast/+',
    'msh/+/2/e/LongFast/+',
    'msh/2/e/Long+/+',
    'msh/2/e//+',
    'msh/2/e/LongFast/!a1b2c3d4',
    '$share/g/msh/2/e/LongFast/+',
    '2/e/LongFast/+',
    'sos/events/+',
  ]
  for (const filter of others) t.notOk(isDownlinkFilter(filter), filter)
})

t.test('any text can be asked about', async (t) => {
  const level = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.constantFrom('2', 'e', 'map', '', '!a1b2c3d4', 'gw'),
  )
  fc.assert(
    fc.property(fc.array(level, { maxLength: 9 }), (levels) => {
      const topic = readMeshTopic(levels.join('/'))
      isDownlinkFilter(levels.join('/'))
      return topic === null || typeof topic.is === 'string'
    }),
    { numRuns: 5_000 },
  )
  t.pass('5,000 did not throw')
})

import * as fc from 'fast-check'
import t from 'tap'
import {
  macOf,
  meshMacOfBluetooth,
  nodeIdOf,
  nodeNumberOfKey,
  nodeNumberOfMac,
  readNodeId,
} from '../../store/node-ids.js'

t.test('a node id is its number in eight hex digits', async (t) => {
  t.equal(nodeIdOf(0x11223344), '!11223344')
  t.equal(nodeIdOf(5), '!00000005')
  t.equal(nodeIdOf(0xffffffff), '!ffffffff')
  fc.assert(fc.property(fc.nat(0xffffffff), (number) => readNodeId(nodeIdOf(number)) === number))
  t.equal(readNodeId('!AABBCCDD'), 0xaabbccdd)
  for (const text of ['', '!', 'aabbccdd', '!aabbccd', '!aabbccdd0', '!aabbccdg', '!-abbccdd', 5, null])
    t.equal(readNodeId(text), null, String(text))
})

t.test('firmware up to 2.7: the number is the last four bytes of the MAC address', async (t) => {
  t.equal(nodeIdOf(nodeNumberOfMac('CF:82:AA:BB:CC:DD') ?? 0), '!aabbccdd')
  t.equal(nodeNumberOfMac('cf:82:aa:bb:cc:dd'), 0xaabbccdd)
  for (const mac of [
    'CF:82:AA:BB:CC',
    'CF82AABBCCDD',
    '1144201745',
    '',
    'CF:82:00:00:00:03',
    'CF:82:FF:FF:FF:FF',
  ])
    t.equal(nodeNumberOfMac(mac), null, mac)
})

t.test('an ESP32 is two below what a phone sees over Bluetooth, in its last octet alone', async (t) => {
  t.equal(meshMacOfBluetooth('24:6F:28:AA:BB:CE'), '24:6F:28:AA:BB:CC')
  t.equal(nodeIdOf(nodeNumberOfMac(meshMacOfBluetooth('24:6f:28:aa:bb:ce') ?? '') ?? 0), '!28aabbcc')
  t.equal(meshMacOfBluetooth('24:6F:28:AA:BB:01'), '24:6F:28:AA:BB:FF')
  t.equal(meshMacOfBluetooth('CF:82:AA:BB:CC:DD'), null, 'a random static address is the same on either side')
  t.equal(meshMacOfBluetooth('24:6F'), null)
})

t.test('firmware 2.8: the number is the CRC-32 of the public key', async (t) => {
  t.equal(nodeNumberOfKey(Buffer.alloc(32, 2)), 4_017_996_143)
  t.equal(nodeIdOf(4_017_996_143), '!ef7dc16f')
  t.equal(nodeNumberOfKey(Buffer.alloc(31, 2)), null)
  t.equal(nodeNumberOfKey(Buffer.alloc(0)), null)
})

t.test('zeros where a MAC address should be are none', async (t) => {
  t.equal(macOf(Buffer.from('cf8200000001', 'hex')), 'CF:82:00:00:00:01')
  t.equal(macOf(Buffer.alloc(6)), null)
  t.equal(macOf(Buffer.alloc(5, 1)), null)
})

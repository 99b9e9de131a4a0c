import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import t from 'tap'
import {
  bool,
  bytes,
  defineMessage,
  fixed32,
  float,
  int32,
  message,
  MESSAGE_BYTES_MAX,
  ProtobufError,
  sfixed32,
  sint32,
  string,
  uint32,
} from '../../handlers/mesh/protobuf.js'
import {
  bytesField,
  fixed32Field,
  floatField,
  joinFields,
  tag,
  varint,
  varintField,
} from '../support/mesh-packets.js'

const inner = defineMessage({ count: uint32(1), text: string(2) })
const outer = defineMessage({
  unsigned: uint32(1),
  signed: int32(2),
  zigzag: sint32(3),
  flag: bool(4),
  fixed: fixed32(5),
  signedFixed: sfixed32(6),
  real: float(7),
  raw: bytes(8),
  text: string(9),
  inner: message(10, inner),
})

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value
}

const UINT32_MAX = 0xffffffff
const PLAIN = { noNullPrototype: true } as const
const INT32 = { min: -(2 ** 31), max: 2 ** 31 - 1 }

t.test('every kind of field is read as it was written', async (t) => {
  const values = fc.record(
    {
      unsigned: fc.integer({ min: 0, max: UINT32_MAX }),
      signed: fc.integer(INT32),
      zigzag: fc.integer(INT32),
      flag: fc.boolean(),
      fixed: fc.integer({ min: 0, max: UINT32_MAX }),
      signedFixed: fc.integer(INT32),
      real: fc.float(),
      raw: fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
      text: fc.string({ unit: 'grapheme', maxLength: 50 }),
      inner: fc.record(
        { count: fc.integer({ min: 0, max: UINT32_MAX }), text: fc.string({ maxLength: 50 }) },
        PLAIN,
      ),
    },
    PLAIN,
  )
  const unknown = fc.constantFrom(
    varintField(11, 2n ** 64n - 1n),
    bytesField(4_000, 'unknown'),
    fixed32Field(536_870_911, 7),
    joinFields(tag(20, 1), Buffer.alloc(8)),
    bytesField(1, 'known by another wire type'),
    varintField(8, 5),
  )
  fc.assert(
    fc.property(values, fc.array(unknown, { maxLength: 4 }), fc.gen(), (written, strangers, gen) => {
      const fields = [
        varintField(1, written.unsigned),
        varintField(2, written.signed),
        varintField(3, zigzag(written.zigzag)),
        varintField(4, written.flag ? 1 : 0),
        fixed32Field(5, written.fixed),
        fixed32Field(6, written.signedFixed),
        floatField(7, written.real),
        bytesField(8, written.raw),
        bytesField(9, written.text),
        bytesField(10, joinFields(varintField(1, written.inner.count), bytesField(2, written.inner.text))),
        ...strangers,
      ]
      const inAnyOrder = gen(fc.shuffledSubarray, fields, { minLength: fields.length })
      return isDeepStrictEqual(outer.read(joinFields(...inAnyOrder)), written)
    }),
    { numRuns: 500 },
  )
  t.pass('500 times')
})

t.test('an absent field is absent, and of a repeated one the last counts', async (t) => {
  t.strictSame(outer.read(Buffer.alloc(0)), {})
  t.strictSame(outer.read(joinFields(varintField(1, 1), varintField(1, 2))), { unsigned: 2 })
})

t.test('of a number beyond 32 bits the low ones count, as negative numbers in ten bytes need', async (t) => {
  t.strictSame(outer.read(joinFields(varintField(1, 2n ** 40n + 5n), varintField(2, -85))), {
    unsigned: 5,
    signed: -85,
  })
  t.strictSame(outer.read(Buffer.from('0885808000', 'hex')), { unsigned: 5 }, 'more bytes than needed')
})

t.test('bytes that are no UTF-8 do not cost the message', async (t) => {
  t.strictSame(outer.read(bytesField(9, Buffer.from('caf\u00c3', 'latin1')) as Buffer), { text: 'caf\ufffd' })
})

t.test('a message that breaks the format is refused, with the one error', async (t) => {
  const broken: Record<string, Buffer> = {
    'field number 0': Buffer.from([0x00, 0x01]),
    'a group begins': tag(30, 3),
    'a group ends': tag(30, 4),
    'wire type 6': tag(30, 6),
    'wire type 7': tag(30, 7),
    'a tag alone': tag(1, 0),
    'a tag that goes on': Buffer.from([0x80]),
    'a tag of six bytes': Buffer.from('808080808001', 'hex'),
    'a tag beyond 32 bits': Buffer.from('f8ffffff1f00', 'hex'),
    'a varint of eleven bytes': Buffer.concat([tag(1, 0), Buffer.alloc(10, 0x80), Buffer.from([0])]),
    'a fixed32 of three bytes': Buffer.concat([tag(5, 5), Buffer.alloc(3)]),
    'an unknown fixed64 of seven bytes': Buffer.concat([tag(30, 1), Buffer.alloc(7)]),
    'bytes longer than the message': Buffer.concat([tag(8, 2), Buffer.from([2, 1])]),
    'unknown bytes longer than the message': Buffer.concat([tag(30, 2), Buffer.from([2, 1])]),
    'a length of 4 GiB': Buffer.concat([tag(8, 2), varint(UINT32_MAX)]),
    'a length beyond 32 bits': Buffer.concat([tag(8, 2), varint(2n ** 32n)]),
    'a field that passes the end of its inner message': joinFields(
      tag(10, 2),
      Buffer.from([2, 0x08, 0x80]),
      Buffer.from([0x01]),
    ),
    'bytes that pass the end of their inner message': joinFields(
      tag(10, 2),
      Buffer.from([3, 0x12, 0x02, 0x61]),
      varintField(1, 1),
    ),
  }
  for (const [name, written] of Object.entries(broken))
    t.throws(() => outer.read(written), ProtobufError, name)
})

t.test('a message has a largest size', async (t) => {
  const largest = bytesField(8, Buffer.alloc(MESSAGE_BYTES_MAX - 3)) as Buffer
  t.equal(largest.length, MESSAGE_BYTES_MAX)
  t.equal(outer.read(largest).raw?.length, MESSAGE_BYTES_MAX - 3)
  t.throws(() => outer.read(joinFields(largest, varintField(1, 1))), ProtobufError, 'a right field more')
})

t.test('messages inside messages that no table names are not descended into', async (t) => {
  let nested: Buffer = Buffer.alloc(0)
  while (nested.length < MESSAGE_BYTES_MAX - 10) nested = bytesField(30, nested) as Buffer
  t.strictSame(outer.read(joinFields(nested, varintField(1, 1))), { unsigned: 1 })
})

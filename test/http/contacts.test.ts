import t from 'tap'
import { withBothStores } from '../support/both-stores.js'
import { createPhone } from '../support/http.js'
import type { Phone } from '../support/http.js'
import { readContact, readContacts, readError, readNothing } from '../support/sdk-reader.js'

const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000'
const MARTA = {
  name: 'Marta Ñandú',
  phone: '+34600000001',
  email: 'marta@example.org',
  priority: 1,
  language: 'es',
}

t.test('the contacts of a user', (t) =>
  withBothStores(t, async (t, { broker }) => {
    t.test('contract 9: POST contacts is 201 with the whole contact', async (t) => {
      const phone = createPhone(broker, broker.credentials('ann'))
      t.strictSame(readContacts(await phone.get('/v1/sdk/contacts')), [])
      const contact = readContact(await phone.post('/v1/sdk/contacts', MARTA), 201)
      t.match(contact, MARTA)
      t.equal(contact.createdAt, contact.updatedAt)
      t.strictSame(readContacts(await phone.get('/v1/sdk/contacts')), [contact])
    })

    for (const unset of [null, '', undefined]) {
      t.test(`contract 9: email ${JSON.stringify(unset)} comes back as "", never null`, async (t) => {
        const phone = createPhone(broker, broker.credentials(`email ${JSON.stringify(unset)}`))
        const input = { name: 'Marta', phone: unset, email: unset, language: unset, priority: 3 }
        const contact = readContact(await phone.post('/v1/sdk/contacts', input), 201)
        t.match(contact, { phone: '', email: '', language: '', priority: 3 })
        t.match(readContacts(await phone.get('/v1/sdk/contacts')), [{ email: '' }])
      })
    }

    t.test('contract 9: PUT is 200 and replaces the whole contact', async (t) => {
      const phone = createPhone(broker, broker.credentials('bo'))
      const before = readContact(await phone.post('/v1/sdk/contacts', MARTA), 201)
      const input = { name: 'Jon', phone: '+34600000002', priority: 2 }
      const after = readContact(await phone.put(`/v1/sdk/contacts/${before.id}`, input), 200)
      t.match(after, { ...input, id: before.id, createdAt: before.createdAt, email: '', language: '' })
      t.ok(after.updatedAt >= before.updatedAt)
      t.strictSame(readContacts(await phone.get('/v1/sdk/contacts')), [after])
    })

    t.test('contract 9: DELETE is 204, and the next one 404', async (t) => {
      const phone = createPhone(broker, broker.credentials('cy'))
      const { id } = readContact(await phone.post('/v1/sdk/contacts', MARTA), 201)
      readNothing(await phone.delete(`/v1/sdk/contacts/${id}`))
      t.strictSame(readContacts(await phone.get('/v1/sdk/contacts')), [])
      readError(await phone.delete(`/v1/sdk/contacts/${id}`), 404)
      readError(await phone.put(`/v1/sdk/contacts/${id}`, MARTA), 404)
    })

    t.test('contacts come in the order of their priority, equal ones as they were added', async (t) => {
      const phone = createPhone(broker, broker.credentials('di'))
      const added = await addContacts(phone, [3, 1, 2, 1])
      t.strictSame(await namesOf(phone), ['#1', '#3', '#2', '#0'])
      await phone.put(`/v1/sdk/contacts/${added[0]}`, { name: '#0', priority: 0 })
      t.strictSame(await namesOf(phone), ['#0', '#1', '#3', '#2'])
    })

    t.test('contract 9: PUT reorder is 204, and the contacts come in that order', async (t) => {
      const phone = createPhone(broker, broker.credentials('ed'))
      const ids = await addContacts(phone, [1, 1, 1])
      const order = [ids[2], ids[0], ids[1]]
      readNothing(await phone.put('/v1/sdk/contacts/reorder', { order }))
      t.strictSame(await namesOf(phone), ['#2', '#0', '#1'])
      t.strictSame(
        readContacts(await phone.get('/v1/sdk/contacts')).map(({ priority }) => priority),
        [1, 2, 3],
      )
    })

    t.test('reorder is 404 with an unknown id and 400 when it does not name each once', async (t) => {
      const phone = createPhone(broker, broker.credentials('fe'))
      const [a, b] = (await addContacts(phone, [1, 2])) as [string, string]
      const other = createPhone(broker, broker.credentials('fe 2'))
      const [foreign] = (await addContacts(other, [1])) as [string]
      for (const unknown of [UNKNOWN_ID, foreign, '__proto__', 'constructor', '']) {
        const { message } = readError(
          await phone.put('/v1/sdk/contacts/reorder', { order: [b, a, unknown] }),
          404,
        )
        t.equal(message, 'no such contact')
      }
      for (const order of [[b], [b, b], [b, a, a], [], 'ba', [1, 2], null, undefined]) {
        const { message } = readError(await phone.put('/v1/sdk/contacts/reorder', { order }), 400)
        t.match(message, /^order/)
      }
      t.strictSame(await namesOf(phone), ['#0', '#1'], 'nothing was moved')
    })

    t.test('the id of somebody else’s contact is answered as an unknown one', async (t) => {
      const owner = createPhone(broker, broker.credentials('gil'))
      const thief = createPhone(broker, broker.credentials('hal'))
      const { id } = readContact(await owner.post('/v1/sdk/contacts', MARTA), 201)
      for (const call of [
        (name: string) => thief.delete(`/v1/sdk/contacts/${name}`),
        (name: string) => thief.put(`/v1/sdk/contacts/${name}`, { name: 'mine now' }),
      ]) {
        const other = await call(id)
        for (const unknown of [UNKNOWN_ID, '__proto__', 'constructor', 'toString']) {
          const answer = await call(unknown)
          readError(answer, 404)
          t.equal(answer.text, other.text)
        }
      }
      t.match(readContacts(await owner.get('/v1/sdk/contacts')), [MARTA])
    })

    t.test('a user has at most 50 contacts', async (t) => {
      const phone = createPhone(broker, broker.credentials('ida'))
      for (let batch = 0; batch < 5; batch++)
        await addContacts(
          phone,
          Array.from({ length: 10 }, () => 1),
        )
      const refusal = readError(await phone.post('/v1/sdk/contacts', MARTA), 422)
      t.strictSame([refusal.code, /^contacts: .*50/.test(refusal.message)], ['validation_error', true])
      t.equal(readContacts(await phone.get('/v1/sdk/contacts')).length, 50)
    })

    for (const [field, input] of [
      ['name', { phone: '+34600000001' }],
      ['name', { name: '' }],
      ['name', { name: 'x'.repeat(121) }],
      ['name', { name: 'a\nb' }],
      ['phone', { name: 'Marta', phone: 34_600_000_001 }],
      ['email', { name: 'Marta', email: `${'x'.repeat(250)}@x.org` }],
      ['priority', { name: 'Marta', priority: '1' }],
      ['priority', { name: 'Marta', priority: 1.5 }],
      ['priority', { name: 'Marta', priority: -1 }],
      ['language', { name: 'Marta', language: ['es'] }],
    ] as const) {
      const shown = JSON.stringify(input).slice(0, 50)
      t.test(`a contact with a bad ${field} is 400 and names it: ${shown}`, async (t) => {
        const phone = createPhone(broker, broker.credentials('jo'))
        const answers = [
          await phone.post('/v1/sdk/contacts', input),
          await phone.put(`/v1/sdk/contacts/${UNKNOWN_ID}`, input),
        ]
        for (const answer of answers) t.match(readError(answer, 400).message, new RegExp(`^${field}: `))
        t.strictSame(readContacts(await phone.get('/v1/sdk/contacts')), [])
      })
    }
  }),
)

/** Adds contacts `#0`, `#1` … one after the other; their ids. */
async function addContacts(phone: Phone, priorities: number[]): Promise<string[]> {
  const ids: string[] = []
  for (const [i, priority] of priorities.entries())
    ids.push(readContact(await phone.post('/v1/sdk/contacts', { name: `#${i}`, priority }), 201).id)
  return ids
}

async function namesOf(phone: Phone): Promise<string[]> {
  return readContacts(await phone.get('/v1/sdk/contacts')).map(({ name }) => name)
}

import t from 'tap'
import { ageMsOf, freshnessOf, isLate, isLateSos, readTimes } from '../../handlers/mesh/mesh-times.js'

const NOW = Date.UTC(2026, 4, 1, 12)
const S = NOW / 1_000
const HOUR = 3_600

t.test(
  "the time is the sender's, else the gateway's, else ours: the first that can be believed",
  async (t) => {
    t.strictSame(readTimes([undefined, S - 60], S - 5, NOW), {
      at: NOW - 60_000,
      toldBy: 'sender',
      heardAt: NOW - 5_000,
      arrivedAt: NOW,
    })
    t.match(readTimes([S - 90, S - 60], S - 5, NOW), { at: NOW - 90_000 }, 'the fix before the packet')
    t.match(readTimes([0, undefined], S - 5, NOW), { at: NOW - 5_000, toldBy: 'gateway' })
    t.strictSame(readTimes([], 0, NOW), { at: NOW, toldBy: 'arrival', arrivedAt: NOW })
  },
)

t.test('a clock that was never set, or is more than five minutes fast, is not believed', async (t) => {
  const first = Date.UTC(2020, 0, 1) / 1_000
  t.equal(readTimes([first], undefined, NOW).toldBy, 'sender')
  t.equal(readTimes([first - 1], undefined, NOW).toldBy, 'arrival')
  t.equal(readTimes([S + 301], undefined, NOW).toldBy, 'arrival')
  t.strictSame(
    readTimes([S + 300], S + 301, NOW),
    { at: NOW, toldBy: 'sender', arrivedAt: NOW },
    'now, not later',
  )
  t.equal(readTimes([NaN], undefined, NOW).toldBy, 'arrival')
})

t.test('what a gateway heard more than six hours ago is late; for an SOS one hour is', async (t) => {
  const heard = (secondsAgo: number) => readTimes([], S - secondsAgo, NOW)
  t.notOk(isLate(heard(6 * HOUR)))
  t.ok(isLate(heard(6 * HOUR + 1)))
  t.notOk(isLateSos(heard(HOUR)))
  t.ok(isLateSos(heard(HOUR + 1)))
  const unknown = readTimes([S - 24 * HOUR], undefined, NOW)
  t.notOk(isLate(unknown) || isLateSos(unknown), 'without a clock of the gateway nobody can tell')
  t.equal(ageMsOf(unknown), 24 * HOUR * 1_000, 'but the position is as old as its sender says')
})

t.test(
  'only a position that is newer than the known one, whoever reported that, becomes current',
  async (t) => {
    const minuteOld = readTimes([S - 60], S, NOW)
    t.equal(freshnessOf(minuteOld, undefined), 'current')
    t.equal(freshnessOf(minuteOld, NOW - 61_000), 'current')
    t.equal(freshnessOf(minuteOld, NOW - 60_000), 'history', 'the same one, played back with another id')
    t.equal(freshnessOf(minuteOld, NOW - 1_000), 'history', 'the phone has a newer one')
    t.equal(freshnessOf(readTimes([], S - 7 * HOUR, NOW), undefined), 'history', 'late')
  },
)

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { alertsFile, fillVariables, readPanels } from '../../bench/support/grafana.js'
import { startBroker } from '../support/broker.js'
import { readExposed } from '../support/exposed-metrics.js'
import type { ExposedMetric } from '../support/exposed-metrics.js'

interface Rule {
  alert: string
  expr: string
  for?: string
  labels: { severity: string }
  annotations: { summary: string; action: string }
}

const { groups } = parse(readFileSync(alertsFile, 'utf8')) as { groups: { name: string; rules: Rule[] }[] }
const rules = groups.flatMap((group) => group.rules)
const panels = readPanels()

t.test('every metric that the dashboard and the alerts ask for exists in a live broker', async (t) => {
  const broker = await startBroker(t)
  const page = await fetch(`http://127.0.0.1:${broker.ports.admin}/metrics`)
  const exposed = readExposed(await page.text())
  const asked = [...panels.flatMap(({ queries }) => queries), ...rules].map(({ expr }) => expr)
  t.ok(asked.length > 40)
  for (const expr of asked) {
    const names = metricsIn(expr)
    t.ok(names.length > 0, `asks for something: ${expr}`)
    t.strictSame(
      names.filter((name) => name !== 'up' && !isExposed(name, exposed)),
      [],
      expr,
    )
  }
  const alarmed = new Set(rules.flatMap(({ expr }) => metricsIn(expr)))
  for (const name of ['connect_broker_messages_total', 'connect_broker_redis_up', 'up'])
    t.ok(alarmed.has(name), `somebody is alarmed by ${name}`)
})

t.test('each panel has a title of its own and Grafana variables that the dashboard has', async (t) => {
  t.equal(new Set(panels.map(({ title }) => title)).size, panels.length)
  for (const { title, queries } of panels)
    for (const { expr } of queries) t.notMatch(fillVariables(expr, '1m'), /\$/, title)
})

t.test('each alert says how bad it is, what is wrong and what to do', async (t) => {
  t.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length)
  for (const rule of rules) {
    t.match(rule.alert, /^[A-Z][A-Za-z]+$/)
    t.match(rule.labels, { severity: /^(critical|warning)$/ }, rule.alert)
    t.match(rule.for ?? '0s', /^\d+[sm]$/, rule.alert)
    t.strictSame(Object.keys(rule.annotations), ['summary', 'action'], rule.alert)
    t.ok(Object.values(rule.annotations).every((text) => text.length > 10))
  }
  if (spawnSync('promtool', ['--version']).error) return t.comment('promtool is not installed')
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'rules', alertsFile], {
    encoding: 'utf8',
  })
  t.equal(status, 0, `promtool: ${stdout}${stderr}`)
})

/** Names of metrics in a query: what is neither a function, a label nor a word of the language. */
function metricsIn(expr: string): string[] {
  return [...expr.matchAll(/\b(?:connect_broker|process|nodejs)_[a-z0-9_]+|\bup(?=\{)/g)].map(
    ([name]) => name,
  )
}

function isExposed(name: string, exposed: Map<string, ExposedMetric>): boolean {
  const ofHistogram = name.replace(/_(bucket|sum|count)$/, '')
  return exposed.has(name) || (ofHistogram !== name && exposed.get(ofHistogram)?.type === 'histogram')
}

/** A page about the API for people, made from its OpenAPI document: every route with its fields and answers. */
export function renderApiPage(document: { paths?: object; info: { title: string } }): string {
  const sections = Object.entries(document.paths ?? {}).flatMap(([path, methods]) =>
    Object.entries(methods as Record<string, Operation>).map(([method, operation]) =>
      renderOperation(path, method, operation),
    ),
  )
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(document.info.title)} API</title><style>${STYLE}</style></head><body>
<h1>${escape(document.info.title)} API</h1><p>The machine-readable form: <a href="/openapi.json">openapi.json</a>.
<code>/v1/sdk</code> takes <code>X-App-ID</code>, <code>X-User-ID</code> and <code>Authorization: Bearer &lt;userHash&gt;</code>;
<code>/v1/backend</code> HTTP Basic with app id and secret. Errors: <code>{"error":{"code","message"}}</code>.</p>
${sections.join('\n')}</body></html>`
}

interface Operation {
  summary?: string
  parameters?: { name: string; in: string; required?: boolean; schema?: object }[]
  requestBody?: { content?: Record<string, { schema?: object }> }
  responses?: Record<string, { content?: Record<string, { schema?: object }> }>
}

function renderOperation(path: string, method: string, operation: Operation): string {
  const parameters = (operation.parameters ?? []).map(
    ({ name, in: place }) => `<li><code>${escape(name)}</code> in ${place}</li>`,
  )
  const body = Object.values(operation.requestBody?.content ?? {})[0]?.schema
  const responses = Object.entries(operation.responses ?? {}).map(([status, { content }]) => {
    const schema = Object.values(content ?? {})[0]?.schema
    return `<dt>${escape(status)}</dt><dd>${schema ? renderSchema(schema) : 'no body'}</dd>`
  })
  return `<section><h2><span>${method.toUpperCase()}</span> ${escape(path)}</h2><p>${escape(operation.summary ?? '')}</p>
${parameters.length > 0 ? `<ul>${parameters.join('')}</ul>` : ''}${body ? `<h3>Body</h3>${renderSchema(body)}` : ''}
<h3>Answers</h3><dl>${responses.join('')}</dl></section>`
}

function renderSchema(schema: object): string {
  return `<details><summary>schema</summary><pre>${escape(JSON.stringify(schema, null, 2))}</pre></details>`
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h2{font-size:1.1rem;margin:2rem 0 .3rem}h2 span{background:#246;color:#fff;border-radius:.2rem;padding:.1rem .4rem}
h3{font-size:1rem;margin:.5rem 0}dt{font-weight:600}pre{overflow:auto;background:#f4f4f4;padding:.5rem}
@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}pre{background:#222}a{color:#8bf}}`

// One workspace as the published client meets it: only its base address and its token are ours.
//
// Each step prints one line, {"promise", "failed"?}; the last line is {"transcript"}: all that was answered, with names that
// differ from workspace to workspace (ids, keys, times, addresses) replaced by where they first came up.
import { createRequire } from 'node:module'
import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'

const sdk = createRequire(import.meta.url)('@segment/public-api-sdk-typescript')

export class Workspace {
  // `kept`: a file to which every answer is added, a line each.
  constructor(base, token, now, kept) {
    this.base = base
    this.kept = kept
    this.token = token
    this.now = new Date(Number(now))
    this.apis = sdk.configureApis(token)
    for (const api of Object.values(this.apis)) api.basePath = base
    this.delivery = new sdk.DeliveryOverviewApi(base)
    this.delivery.accessToken = token
    this.transcript = []
    this.names = new Map()
  }

  // One promise. What the step returns goes into the transcript; whatever it throws is why the promise does not hold.
  async step(promise, take) {
    let failed
    try {
      this.transcript.push([promise, (await take()) ?? null])
    } catch (error) {
      failed = error instanceof assert.AssertionError ? error.message : shown(error)
      this.transcript.push([promise, 'FAILED'])
    }
    console.log(JSON.stringify({ promise, failed }))
  }

  // A call's `data`, as the client's own `unwrap` gives it. A client that is told to wait waits.
  async data(call) {
    for (let wait = 0; ; wait += 1) {
      try {
        const { body, response } = await call()
        this.keepResponse(response)
        this.learn(response.body)
        if (body.data === undefined) throw new Error(`no data in ${JSON.stringify(body)}`)
        return plain(body.data)
      } catch (error) {
        if (error.statusCode !== 429 || wait === 20) throw error
        const seconds = Number(error.response.headers['retry-after'] ?? 1)
        await new Promise((done) => setTimeout(done, Math.min(seconds, 10) * 1000))
      }
    }
  }

  // A refusal in the client's eyes: `unwrap` throws the first of `errors`. Its status, type and field.
  async refused(call, status) {
    const error = await call().then(
      ({ body }) => assert.fail(`was not refused: ${JSON.stringify(body).slice(0, 300)}`),
      (error) => error,
    )
    if (error.response) this.keepResponse(error.response)
    assert.equal(error.statusCode, status, shown(error))
    const [first] = error.body.errors ?? assert.fail(`no errors in ${JSON.stringify(error.body)}`)
    assert.ok(first.type && first.message, `type or message is missing in ${JSON.stringify(first)}`)
    return { status, type: first.type, field: first.field }
  }

  keepResponse({ body, request, statusCode: status }) {
    this.keep({ method: request.method, path: request.path.slice(new URL(this.base).pathname.length), status, body })
  }

  keep(answer) {
    if (this.kept) appendFileSync(this.kept, `${JSON.stringify(answer)}\n`)
  }

  // Every page, forward.
  async pages(list, name, count) {
    const pages = []
    for (let cursor; ;) {
      const data = await this.data(() => list(cursor ? { count, cursor } : { count }))
      assert.ok(Array.isArray(data[name]), `no list ${name} in ${Object.keys(data)}`)
      assert.ok(data[name].length <= count, `${data[name].length} entries on a page of ${count}`)
      pages.push(data)
      assert.ok(pages.length <= 1000, 'the pages never end')
      if (!(cursor = data.pagination.next)) return pages
    }
  }

  async all(list, name, count = 200) {
    return (await this.pages(list, name, count)).flatMap((page) => page[name])
  }

  // Takes note of what has another name in each workspace.
  learn(value, key = '') {
    if (Array.isArray(value)) value.forEach((item) => this.learn(item, key))
    else if (value && typeof value === 'object') {
      const fixed = [
        'metadata',
        'actions',
        'presets',
        'sourcesCatalog',
        'destinationsCatalog',
        'warehousesCatalog',
        'roles',
      ]
      for (const [name, item] of Object.entries(value)) if (!fixed.includes(name)) this.learn(item, name)
    } else if (typeof value === 'string' && value.length > 3 && VARIES.test(key) && !this.names.has(value)) {
      this.names.set(value, `${key.replace(/s$/, '')}-${this.names.size}`)
    }
  }

  close(more) {
    for (const [value, name] of Object.entries(more)) this.names.set(value, name)
    let text = JSON.stringify(this.transcript)
    const longest = [...this.names].sort(([a], [b]) => b.length - a.length)
    for (const [value, name] of longest) text = text.replaceAll(JSON.stringify(value).slice(1, -1), `<${name}>`)
    text = text
      .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g, '<time>')
      .replace(/https?:\/\/127\.0\.0\.1:\d+/g, '<address>')
    console.log(JSON.stringify({ transcript: JSON.parse(text) }))
  }
}

const VARIES = /^(id|.*Id|writeKeys?|.*Ids|slug|email|actorEmail|actor|emails|invites)$/

const plain = (value) => JSON.parse(JSON.stringify(value))

function shown(error) {
  if (error.statusCode)
    return `${error.response.request.method} ${error.response.request.path} was answered ${error.statusCode} ${JSON.stringify(error.body)?.slice(0, 600)}`
  return error.stack?.split('\n').slice(0, 3).join(' ') ?? String(error)
}

// Every one of these fields is there.
export function has(value, fields) {
  assert.ok(value && typeof value === 'object', `is ${JSON.stringify(value)}`)
  const missing = fields.split(' ').filter((field) => value[field] === undefined)
  assert.equal(missing.join(' '), '', `missing in ${JSON.stringify(value).slice(0, 400)}`)
  return value
}

export const source = (value) => {
  has(value, 'id slug metadata workspaceId enabled writeKeys labels')
  sourceMetadata(value.metadata)
  return value
}
export const sourceMetadata = (value) =>
  has(value, 'id name slug description logos options categories isCloudEventSource')
export const destinationMetadata = (value) =>
  has(
    value,
    'id name description slug logos options status previousNames categories website components supportedFeatures supportedMethods supportedPlatforms actions presets',
  )
export const warehouseMetadata = (value) => has(value, 'id name slug description logos options')
export const destination = (value) => {
  has(value, 'id enabled metadata sourceId settings')
  destinationMetadata(value.metadata)
  return value
}
export const warehouse = (value) => {
  has(value, 'id metadata workspaceId enabled settings')
  warehouseMetadata(value.metadata)
  return value
}
export const SUCCESS = { status: 'SUCCESS' }

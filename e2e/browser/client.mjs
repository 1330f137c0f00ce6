// Sends odd events by Segment's browser SDK in headless Chromium and prints, one JSON object a line, what it sent.
//
//     node client.mjs CELL KEY RUN standard|batching|standalone [--reload]
//
// CELL is where the page asks for its settings; where events go is what the settings say. The SDK comes with the page, or, as
// `standalone`, from CELL, to which the page then shows pixels too. After each page load a line names whom the browser talked
// to apart from the page's own host, and how: `{"hosts": […], "protocols": […]}`. With --reload the program then waits for a line on
// stdin, reloads the same page and sends again. Certificates are not checked.
import { createReadStream } from 'node:fs'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline/promises'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const [cell, key, run, strategy, reload] = process.argv.slice(2)
const DELIVERY_MS_MAX = 60_000
const MANY = 100

const file = (path) => fileURLToPath(new URL(path, import.meta.url))
const pages = createServer((request, answer) => {
  const { pathname } = new URL(request.url, 'http://page')
  const path =
    pathname === '/odd.json' ? file('../sdks/odd.json')
    : pathname === '/page.html' || pathname === '/page.js' ? file(`.${pathname}`)
    : /^\/sdk\/[\w.-]+\.js$/.test(pathname) ? file(`node_modules/@segment/analytics-next/dist/umd/${pathname.slice(5)}`)
    : undefined
  if (!path) return answer.writeHead(404).end()
  const type = path.endsWith('.html') ? 'text/html' : path.endsWith('.json') ? 'application/json' : 'text/javascript'
  answer.writeHead(200, { 'content-type': type })
  createReadStream(path).on('error', () => answer.destroy()).pipe(answer)
})
await new Promise((ready) => pages.listen(0, '127.0.0.1', ready))
const origin = `127.0.0.1:${pages.address().port}`

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  ],
})
try {
  const page = await browser.newPage({ ignoreHTTPSErrors: true })
  page.on('pageerror', (error) => console.error(`page: ${error.message}`))
  const seen = await watch(page)
  const query = new URLSearchParams({ cdn: cell, key, strategy })
  await page.goto(`http://${origin}/page.html?${query}`)
  await sendAndAwait(page, seen, run)
  if (reload === '--reload') {
    const input = createInterface({ input: process.stdin })
    await new Promise((line, end) => input.once('line', line).once('close', () => end(new Error('stdin was closed'))))
    input.close()
    seen.hosts.clear()
    seen.protocols.clear()
    await page.reload()
    await sendAndAwait(page, seen, `${run}-again`)
  }
} finally {
  await browser.close()
  pages.close()
}

// Collects whom the page talks to, and the ids of the events that were answered 200.
async function watch(page) {
  const seen = { hosts: new Set(), protocols: new Set(), delivered: new Set(), refused: [] }
  const network = await page.context().newCDPSession(page)
  await network.send('Network.enable')
  network.on('Network.responseReceived', ({ response }) => {
    if (new URL(response.url).host !== origin) seen.protocols.add(response.protocol)
  })
  page.on('request', (request) => {
    const { host } = new URL(request.url())
    if (host !== origin) seen.hosts.add(host)
  })
  page.on('response', (response) => {
    const ids = idsIn(response.request())
    if (response.status() === 200) ids.forEach((id) => seen.delivered.add(id))
    else if (ids.length) seen.refused.push(`${response.status()} for ${ids.length} events`)
  })
  return seen
}

function idsIn(request) {
  const { pathname, searchParams } = new URL(request.url())
  if (pathname.includes('/pixel/')) {
    const data = searchParams.get('data')
    return [data ? JSON.parse(Buffer.from(data, 'base64')).messageId : searchParams.get('messageId')]
  }
  const body = request.method() === 'POST' && request.postDataJSON()
  return body ? (body.batch ?? [body]).map((event) => event.messageId) : []
}

async function sendAndAwait(page, seen, run) {
  const sent = await page.evaluate(([run, many]) => sendOdd(run, many), [run, MANY])
  const ids = sent.map((line) => JSON.parse(line).messageId)
  const start = Date.now()
  while (!ids.every((id) => seen.delivered.has(id))) {
    const missing = ids.filter((id) => !seen.delivered.has(id)).length
    if (Date.now() - start > DELIVERY_MS_MAX) throw new Error(`${missing} of ${ids.length} events without a 200; ${seen.refused.join(', ')}`)
    await new Promise((tick) => setTimeout(tick, 50))
  }
  const kept = ['type', 'messageId', 'userId', 'anonymousId', 'event', 'name', 'category', 'groupId', 'properties', 'traits']
  for (const line of sent) {
    const event = JSON.parse(line)
    if (event.type === 'track') delete event.traits // the SDK sends them with the other calls only
    console.log(JSON.stringify(Object.fromEntries(kept.filter((name) => event[name] != null).map((name) => [name, event[name]]))))
  }
  console.log(JSON.stringify({ hosts: [...seen.hosts].sort(), protocols: [...seen.protocols].sort() }))
}

// Sends odd events by Segment's Node SDK and prints, one JSON object a line, what it sent.
//
//     node client.mjs HOST KEY RUN
import { readFileSync } from 'node:fs'
import { Analytics } from '@segment/analytics-node'

const [host, writeKey, run] = process.argv.slice(2)
const odd = JSON.parse(readFileSync(new URL('../odd.json', import.meta.url), 'utf8'))
const analytics = new Analytics({ host, writeKey, flushAt: 40 })

let failure
analytics.on('error', (error) => {
  failure ??= error
})

let count = 0
function send(type, fields) {
  const event = { messageId: `${run}-${count++}`, userId: `${run}-user`, ...fields }
  analytics[type](event)
  // The SDK copies a page's category into its properties.
  const copied = type === 'page' ? { properties: { ...event.properties, category: event.category } } : {}
  console.log(JSON.stringify({ type, ...event, ...copied }))
}

for (const [name, value] of Object.entries(odd)) {
  send('track', { event: `Odd: ${name}`, properties: { name, value } })
}
send('identify', { traits: odd, anonymousId: `${run}-anonymous` })
send('page', { name: 'Odd ☃', category: 'e2e', properties: odd })
send('screen', { name: 'Odd ☃', category: 'e2e', properties: odd })
send('group', { groupId: `${run}-group`, traits: odd })
send('alias', { previousId: `${run}-before` })
send('track', { userId: undefined, anonymousId: `${run}-anonymous`, event: 'No user', properties: {} })
send('track', { event: 'Own address', properties: {}, context: { ip: '203.0.113.7' } })
send('track', { event: 'Date', properties: { at: new Date(Date.UTC(2026, 1, 28, 23, 59, 59, 999)), gone: undefined } })
send('track', { event: 'Big', properties: { text: 'x'.repeat(20_000) } })
for (let n = 0; n < 300; n++) send('track', { event: 'Many', properties: { n } })

await analytics.closeAndFlush({ timeout: 60_000 })
if (failure) throw new Error(`not delivered: ${failure.code}`)

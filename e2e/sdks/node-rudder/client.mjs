// Sends odd events by RudderStack's Node SDK (gzip, its default) and prints, one JSON object a line, what it sent.
//
//     node client.mjs HOST KEY RUN
import { readFileSync } from 'node:fs'
import Analytics from '@rudderstack/rudder-sdk-node'

const [host, key, run] = process.argv.slice(2)
const odd = JSON.parse(readFileSync(new URL('../odd.json', import.meta.url), 'utf8'))
const client = new Analytics(key, { dataPlaneUrl: host, flushAt: 40 })

let count = 0
const delivered = []
function send(type, fields) {
  const event = { messageId: `${run}-${count++}`, userId: `${run}-user`, ...fields }
  // The SDK writes into what it is given, and keeps a callback for each event.
  const sent = JSON.stringify({ type, ...event })
  delivered.push(
    new Promise((done, fail) => client[type](JSON.parse(JSON.stringify(event)), (error) => (error ? fail(error) : done()))),
  )
  console.log(sent)
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
send('track', { event: 'Big', properties: { text: 'x'.repeat(20_000) } })
for (let n = 0; n < 300; n++) send('track', { event: 'Many', properties: { n } })

await client.flush()
await Promise.all(delivered)

// What a shop's page would hold: it names the write key and where to ask for settings, never where events go.
const query = new URLSearchParams(location.search)
const [cdn, key, strategy] = ['cdn', 'key', 'strategy'].map((name) => query.get(name))
// In a box: the SDK's object is itself a promise of something else.
const loading = strategy === 'standalone' ? snippet() : Promise.resolve({ analytics: npm() })

function npm() {
  return AnalyticsNext.AnalyticsBrowser.load(
    { writeKey: key, cdnURL: cdn },
    { integrations: { 'Segment.io': { deliveryStrategy: { strategy, config: { timeout: 200 } } } } },
  )
}

// The usual snippet, short: the key stands only in the script's address. Where the rest of the SDK is, the script reads from its
// address too when that is https; else the page has to say it.
function snippet() {
  const settings = cdn.startsWith('https:') ? {} : { _cdn: cdn }
  window.analytics = Object.assign([], { SNIPPET_VERSION: '5.2.0', ...settings })
  const script = Object.assign(document.createElement('script'), { src: `${cdn}/analytics.js/v1/${key}/analytics.min.js` })
  return new Promise((loaded, failed) => {
    script.onerror = () => failed(new Error(`${script.src} did not load`))
    const look = () => (window.analytics.initialized ? loaded({ analytics: window.analytics }) : setTimeout(look, 20))
    script.onload = look
    document.head.append(script)
  })
}

// The SDK hands back each event as it goes out, with the message id and the page's properties that it added. Text, since a
// lone surrogate survives no other way out of the page.
const asSent = async (call) => JSON.stringify((await call).event)

async function sendOdd(run, many) {
  const { analytics } = await loading
  const odd = await (await fetch('/odd.json')).json()
  const calls = [
    analytics.identify(`${run}-user`, odd),
    analytics.page('e2e', 'Odd ☃', odd),
    analytics.screen('e2e', 'Odd ☃', odd),
    analytics.group(`${run}-group`, odd),
    analytics.alias(`${run}-user`, `${run}-before`),
    ...Object.entries(odd).map(([name, value]) => analytics.track(`Odd: ${name}`, { name, value })),
    analytics.track('Date', { at: new Date(Date.UTC(2026, 1, 28, 23, 59, 59, 999)), gone: undefined }),
    analytics.track('Big', { text: 'x'.repeat(20_000) }),
  ]
  for (let n = 0; n < many; n++) calls.push(analytics.track('Many', { n }))
  const sent = Promise.all(calls.map(asSent))
  return strategy === 'standalone' ? [...(await sent), ...(await sendFromServed(analytics, run, odd))] : sent
}

// What needs more of the server than its script: a part of the SDK that is loaded when it is needed, and pixels.
async function sendFromServed(analytics, run, odd) {
  const query = new URLSearchParams({ ajs_uid: `${run}-user`, ajs_event: 'From the address', ajs_prop_from: 'a link' })
  const fromAddress = await analytics.queryString(`?${query}`)
  const event = { messageId: `${run}-pixel`, userId: `${run}-user`, event: 'Pixel ☃', properties: odd }
  const bytes = new TextEncoder().encode(JSON.stringify({ writeKey: key, ...event }))
  await showPixel({ data: btoa(String.fromCharCode(...bytes)) })
  const fields = { messageId: `${run}-fields`, userId: `${run}-user`, event: 'Mail opened ☃' }
  await showPixel({ writeKey: key, ...fields, 'properties.subject': 'Grüße & more', 'properties.campaign.n': '1' })
  const pixels = [event, { ...fields, properties: { subject: 'Grüße & more', campaign: { n: '1' } } }]
  return [...(await Promise.all(fromAddress.map(asSent))), ...pixels.map((pixel) => JSON.stringify({ type: 'track', ...pixel }))]
}

function showPixel(query) {
  const image = Object.assign(new Image(), { src: `${cdn}/v1/pixel/track?${new URLSearchParams(query)}` })
  document.body.append(image)
  return image.decode()
}

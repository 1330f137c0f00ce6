// What a shop's page would hold: it names the write key and where to ask for settings, never where events go.
const query = new URLSearchParams(location.search)
const analytics = AnalyticsNext.AnalyticsBrowser.load(
  { writeKey: query.get('key'), cdnURL: query.get('cdn') },
  { integrations: { 'Segment.io': { deliveryStrategy: { strategy: query.get('strategy'), config: { timeout: 200 } } } } },
)

// The SDK hands back each event as it goes out, with the message id and the page's properties that it added. Text, since a
// lone surrogate survives no other way out of the page.
const asSent = async (call) => JSON.stringify((await call).event)

async function sendOdd(run, many) {
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
  return Promise.all(calls.map(asSent))
}
